// adadelta on the CPU: its rule over the parameter block.
#include "ops/adadelta.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/adadelta.h"

namespace gradstep::cpu {

Step adadelta(Prepare& prepare, const AdadeltaArgs& args) {
  const Adadelta rule{args.rho, args.epsilon};
  return update_block(prepare, args, rule, nullptr, prepare.at(args.mean_square), prepare.at(args.mean_square_move));
}

}  // namespace gradstep::cpu
