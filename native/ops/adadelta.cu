// adadelta on CUDA: its rule over the parameter block.
#include "cuda/prepare.h"
#include "cuda/update_block.h"
#include "generated/args/adadelta.h"
#include "ops/adadelta.h"

namespace gradstep::cuda {

Step adadelta(Prepare& prepare, const AdadeltaArgs& args) {
  const Adadelta rule{args.rho, args.epsilon};
  return update_block(prepare, args, rule, nullptr, prepare.at(args.mean_square), prepare.at(args.mean_square_move));
}

}  // namespace gradstep::cuda
