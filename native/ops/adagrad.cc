// adagrad on the CPU: its rule over the parameter block.
#include "ops/adagrad.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/adagrad.h"

namespace gradstep::cpu {

Step adagrad(Prepare& prepare, const AdagradArgs& args) {
  const Adagrad rule{args.initial, args.epsilon};
  return update_block(prepare, args, rule, nullptr, prepare.at(args.sum));
}

}  // namespace gradstep::cpu
