// argmax on the CPU: the first largest element of each row; a NaN counts as the largest.
#include "generated/args/argmax.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "ops/pool.h"

namespace gradstep::cpu {

Step argmax(Prepare& prepare, const ArgmaxArgs& args) {
  const int64_t n = args.x.rank > 0 ? args.x.dims[args.x.rank - 1] : 1;
  const int64_t rows = args.x.size() / n;
  const int parts = parts_of(args.x.size(), prepare.threads());
  return [n, rows, parts, x = prepare.at(args.x), y = prepare.at<int32_t>(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const float* row = x + r * n;
        int32_t best = 0;
        for (int64_t i = 1; i < n; i++) {
          if (takes_lead(row[i], row[best])) best = static_cast<int32_t>(i);
        }
        y[r] = best;
      }
    });
  };
}

}  // namespace gradstep::cpu
