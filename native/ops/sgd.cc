// sgd on the CPU: its rule over the parameter block.
#include "ops/sgd.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/sgd.h"

namespace gradstep::cpu {

Step sgd(Prepare& prepare, const SgdArgs& args) {
  const Sgd rule{args.momentum, args.nesterov == SgdArgs::kNesterovYes};
  float* velocity = prepare.at(args.velocity);
  return velocity ? update_block(prepare, args, rule, nullptr, velocity) : update_block(prepare, args, rule, nullptr);
}

}  // namespace gradstep::cpu
