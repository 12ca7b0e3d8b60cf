// adam on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/adam.h"
#include "ops/adam.h"

namespace gradstep::cuda {

Step adam(Prepare& prepare, const AdamArgs& args) {
  const Adam rule{args.beta1, args.beta2, args.epsilon, args.weight_decay};
  const int32_t* state = prepare.at<int32_t>(args.state);
  float* m = prepare.at(args.m);
  float* v = prepare.at(args.v);
  float* v_max = prepare.at(args.v_max);
  return v_max ? update_block(prepare, args, rule, state, m, v, v_max) : update_block(prepare, args, rule, state, m, v);
}

}  // namespace gradstep::cuda
