// moving_average on the CPU: one pass over both tensors of each pair, nothing while a flag is set.
#include "ops/moving_average.h"

#include <vector>

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
  struct Pair {
    float* average;
    const float* value;
    int64_t size;
    int parts;
  };
  std::vector<Pair> pairs;
  for (const AveragePair& pair : average_pairs(args)) {
    const int64_t size = pair.average.size();
    pairs.push_back({prepare.at(pair.average), prepare.at(pair.value), size, parts_of(size, prepare.threads())});
  }
  return [=, flag = prepare.at<int32_t>(args.flag)] {
    if (flag[0] != kFlagNone) return;
    for (const Pair& pair : pairs) {
      parallel_ranges(pair.size, pair.parts, 16, [&](int, int64_t begin, int64_t end) {
        move_range(move, end - begin, pair.average + begin, pair.value + begin);
      });
    }
  };
}

}  // namespace gradstep::cpu
