// adamax on the CPU: its rule over the parameter block.
#include "ops/adamax.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/adamax.h"

namespace gradstep::cpu {

Step adamax(Prepare& prepare, const AdamaxArgs& args) {
  const Adamax rule{args.beta1, args.beta2, args.epsilon};
  const int32_t* state = prepare.at<int32_t>(args.state);
  return update_block(prepare, args, rule, state, prepare.at(args.m), prepare.at(args.u));
}

}  // namespace gradstep::cpu
