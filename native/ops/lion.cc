// lion on the CPU: its rule over the parameter block.
#include "ops/lion.h"

#include "cpu/prepare.h"
#include "cpu/update_block.h"
#include "generated/args/lion.h"

namespace gradstep::cpu {

Step lion(Prepare& prepare, const LionArgs& args) {
  const Lion rule{args.beta1, args.beta2};
  return update_block(prepare, args, rule, nullptr, prepare.at(args.m));
}

}  // namespace gradstep::cpu
