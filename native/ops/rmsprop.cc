// rmsprop on the CPU: its rule over the parameter block.
#include "ops/rmsprop.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/rmsprop.h"

namespace gradstep::cpu {

Step rmsprop(Prepare& prepare, const RmspropArgs& args) {
  float* mean_square = prepare.at(args.mean_square);
  float* mean = prepare.at(args.mean);
  float* move = prepare.at(args.move);
  const Rmsprop rule{args.rho, args.momentum, args.epsilon, mean != nullptr};
  if (mean && move) return update_block(prepare, args, rule, nullptr, mean_square, mean, move);
  if (mean) return update_block(prepare, args, rule, nullptr, mean_square, mean);
  if (move) return update_block(prepare, args, rule, nullptr, mean_square, move);
  return update_block(prepare, args, rule, nullptr, mean_square);
}

}  // namespace gradstep::cpu
