// nadam on the CPU: its rule over the parameter block.
#include "ops/nadam.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/nadam.h"

namespace gradstep::cpu {

Step nadam(Prepare& prepare, const NadamArgs& args) {
  const Nadam rule{args.beta1, args.beta2, args.epsilon};
  const int32_t* state = prepare.at<int32_t>(args.state);
  return update_block(prepare, args, rule, state, prepare.at(args.m), prepare.at(args.v));
}

}  // namespace gradstep::cpu
