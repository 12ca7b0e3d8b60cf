// step_count on the CPU: one number.
#include "generated/args/step_count.h"

#include "core/state.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {

Step step_count(Prepare& prepare, const StepCountArgs& args) {
  return [y = prepare.at(args.y), state = prepare.at<int32_t>(args.state), every = args.every] {
    *y = static_cast<float>(state[kStateStep] / every);
  };
}

}  // namespace gradstep::cpu
