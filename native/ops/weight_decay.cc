// weight_decay on the CPU: one pass over the parameters, nothing while a flag is set.
#include "generated/args/weight_decay.h"

#include "core/state.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void shrink(float part, int64_t n, float* w) {
  for (int64_t i = 0; i < n; i++) w[i] -= part * w[i];
}

}  // namespace

Step weight_decay(Prepare& prepare, const WeightDecayArgs& args) {
  const int64_t size = args.params.size();
  const int parts = parts_of(size, prepare.threads());
  return [=, w = prepare.at(args.params), rate = prepare.at(args.learning_rate), flag = prepare.at<int32_t>(args.flag),
          decay = args.decay] {
    if (flag[0] != kFlagNone) return;
    parallel_ranges(size, parts, 16,
                    [&](int, int64_t begin, int64_t end) { shrink(*rate * decay, end - begin, w + begin); });
  };
}

}  // namespace gradstep::cpu
