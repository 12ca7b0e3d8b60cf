// rmsprop on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/rmsprop.h"
#include "ops/rmsprop.h"

namespace gradstep::cuda {

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

}  // namespace gradstep::cuda
