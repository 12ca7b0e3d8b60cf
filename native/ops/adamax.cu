// adamax on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/adamax.h"
#include "ops/adamax.h"

namespace gradstep::cuda {

Step adamax(Prepare& prepare, const AdamaxArgs& args) {
  const Adamax rule{args.beta1, args.beta2, args.epsilon};
  const int32_t* state = prepare.at<int32_t>(args.state);
  return update_block(prepare, args, rule, state, prepare.at(args.m), prepare.at(args.u));
}

}  // namespace gradstep::cuda
