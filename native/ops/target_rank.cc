// targetRank on the CPU: a row at a time, counting what is not smaller or equal, so that a NaN counts as larger.
#include "generated/args/target_rank.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED int32_t count_larger(const float* x, float value, int64_t n) {
  int32_t count = 0;
  for (int64_t i = 0; i < n; i++) count += !(x[i] <= value);
  return count;
}

}  // namespace

Step target_rank(Prepare& prepare, const TargetRankArgs& args) {
  const int64_t n = args.x.dims[args.x.rank - 1];
  const int64_t rows = args.y.size();
  const int parts = parts_of(args.x.size(), prepare.threads());
  return [n, rows, parts, x = prepare.at(args.x), target = prepare.at<int32_t>(args.target),
          y = prepare.at<int32_t>(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const int32_t t = target[r];
        y[r] = t >= 0 && t < n ? count_larger(x + r * n, x[r * n + t], n) : static_cast<int32_t>(n);
      }
    });
  };
}

}  // namespace gradstep::cpu
