// lion on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/lion.h"
#include "ops/lion.h"

namespace gradstep::cuda {

Step lion(Prepare& prepare, const LionArgs& args) {
  const Lion rule{args.beta1, args.beta2};
  return update_block(prepare, args, rule, nullptr, prepare.at(args.m));
}

}  // namespace gradstep::cuda
