// adam on the CPU: one pass over the parameter block; nothing while a flag is set.
#include "ops/adam.h"

#include "core/state.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/cpu_ops.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void update(const AdamStep& step, float* __restrict w, const float* __restrict g,
                                float* __restrict m, float* __restrict v, int64_t n) {
  const AdamStep s = step;
  for (int64_t i = 0; i < n; i++) adam_update(s, w[i], g[i], m[i], v[i]);
}

}  // namespace

Step adam(Prepare& prepare, const AdamArgs& args) {
  const int64_t size = args.params.size();
  const int parts = parts_of(size, prepare.threads());
  return [size, parts, w = prepare.at(args.params), g = prepare.at(args.grads), m = prepare.at(args.m),
          v = prepare.at(args.v), rate = prepare.at(args.learning_rate), state = prepare.at<int32_t>(args.state),
          flag = prepare.at<int32_t>(args.flag), beta1 = args.beta1, beta2 = args.beta2, epsilon = args.epsilon] {
    if (flag[0] != kFlagNone) return;
    const AdamStep step = adam_step(*rate, beta1, beta2, epsilon, state[kStateStep] + 1);
    parallel_ranges(size, parts, 16, [&](int, int64_t begin, int64_t end) {
      update(step, w + begin, g + begin, m + begin, v + begin, end - begin);
    });
  };
}

}  // namespace gradstep::cpu
