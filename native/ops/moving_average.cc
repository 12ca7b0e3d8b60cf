// moving_average on the CPU: one pass over both tensors, nothing while a flag is set.
#include "ops/moving_average.h"

#include "core/state.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/args/moving_average.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void move_range(const MovingAverage& shared, int64_t n, float* average, const float* value) {
  const MovingAverage move = shared;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) average[i] = move(average[i], value[i]);
}

}  // namespace

Step moving_average(Prepare& prepare, const MovingAverageArgs& args) {
  const MovingAverage move{args.momentum, args.rate};
  const int64_t size = args.average.size();
  const int parts = parts_of(size, prepare.threads());
  return
      [=, average = prepare.at(args.average), value = prepare.at(args.value), flag = prepare.at<int32_t>(args.flag)] {
        if (flag[0] != kFlagNone) return;
        parallel_ranges(size, parts, 16, [&](int, int64_t begin, int64_t end) {
          move_range(move, end - begin, average + begin, value + begin);
        });
      };
}

}  // namespace gradstep::cpu
