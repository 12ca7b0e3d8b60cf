// adagrad on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/adagrad.h"
#include "ops/adagrad.h"

namespace gradstep::cuda {

Step adagrad(Prepare& prepare, const AdagradArgs& args) {
  const Adagrad rule{args.initial, args.epsilon};
  return update_block(prepare, args, rule, nullptr, prepare.at(args.sum));
}

}  // namespace gradstep::cuda
