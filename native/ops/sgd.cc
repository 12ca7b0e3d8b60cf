// sgd on the CPU: one pass over the parameter block; nothing while a flag is set.
#include "ops/sgd.h"

#include "core/state.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/cpu_ops.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void plain(float* __restrict w, const float* __restrict g, float rate, int64_t n) {
  for (int64_t i = 0; i < n; i++) sgd_update(rate, w[i], g[i]);
}

GRADSTEP_VECTORISED void with_momentum(float* __restrict w, const float* __restrict g, float* __restrict v, float rate,
                                       float momentum, bool nesterov, int64_t n) {
  for (int64_t i = 0; i < n; i++) sgd_update(rate, momentum, nesterov, w[i], g[i], v[i]);
}

}  // namespace

Step sgd(Prepare& prepare, const SgdArgs& args) {
  const int64_t size = args.params.size();
  const int parts = parts_of(size, prepare.threads());
  return [size, parts, w = prepare.at(args.params), g = prepare.at(args.grads), v = prepare.at(args.velocity),
          rate = prepare.at(args.learning_rate), flag = prepare.at<int32_t>(args.flag), momentum = args.momentum,
          nesterov = args.nesterov == SgdArgs::kNesterovYes] {
    if (flag[0] != kFlagNone) return;
    parallel_ranges(size, parts, 16, [&](int, int64_t begin, int64_t end) {
      if (v) {
        with_momentum(w + begin, g + begin, v + begin, *rate, momentum, nesterov, end - begin);
      } else {
        plain(w + begin, g + begin, *rate, end - begin);
      }
    });
  };
}

}  // namespace gradstep::cpu
