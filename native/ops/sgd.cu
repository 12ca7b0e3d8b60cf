// sgd on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/sgd.h"
#include "ops/sgd.h"

namespace gradstep::cuda {

Step sgd(Prepare& prepare, const SgdArgs& args) {
  const Sgd rule{args.momentum, args.nesterov == SgdArgs::kNesterovYes};
  float* velocity = prepare.at(args.velocity);
  return velocity ? update_block(prepare, args, rule, nullptr, velocity) : update_block(prepare, args, rule, nullptr);
}

}  // namespace gradstep::cuda
