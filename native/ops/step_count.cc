// step_count on the CPU: one number.
#include "generated/args/step_count.h"

#include "cpu/prepare.h"

namespace gradstep::cpu {

Step step_count(Prepare& prepare, const StepCountArgs& args) {
  return [y = prepare.at(args.y), count = prepare.at<int32_t>(args.count)] { *y = static_cast<float>(count[0]); };
}

}  // namespace gradstep::cpu
