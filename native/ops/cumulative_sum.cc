// cumulativeSum on the CPU, in float64. Four rows at a time, so that their additions overlap; a few long rows are cut
// into parts whose totals are known before the parts are summed up.
#include "generated/args/cumulative_sum.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int kRows = 4;
constexpr int kMaxParts = 64;

// kCount rows of n elements, each from its own start; `step` is −1 from the end.
template <int kCount>
void scan(float* y, const float* x, int64_t row, int64_t n, int64_t step, bool exclusive, const double* start) {
  double sums[kCount];
  for (int r = 0; r < kCount; r++) sums[r] = start[r];
  int64_t at = step > 0 ? 0 : n - 1;
  for (int64_t i = 0; i < n; i++, at += step) {
    for (int r = 0; r < kCount; r++) {
      const double before = sums[r];
      sums[r] += x[r * row + at];  // x may be y
      y[r * row + at] = static_cast<float>(exclusive ? before : sums[r]);
    }
  }
}

}  // namespace

Step cumulative_sum(Prepare& prepare, const CumulativeSumArgs& args) {
  const int64_t rows = args.x.dims[0], n = args.x.dims[1];
  const bool exclusive = args.exclusive == CumulativeSumArgs::kExclusiveYes;
  const int64_t step = args.reverse == CumulativeSumArgs::kReverseYes ? -1 : 1;
  const int parts = std::min(kMaxParts, parts_of(rows * n, prepare.threads()));
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  if (rows >= parts) {
    return [=] {
      parallel_ranges(rows, parts, kRows, [&](int, int64_t begin, int64_t end) {
        const double zeros[kRows] = {};
        int64_t r = begin;
        for (; r + kRows <= end; r += kRows) scan<kRows>(y + r * n, x + r * n, n, n, step, exclusive, zeros);
        for (; r < end; r++) scan<1>(y + r * n, x + r * n, n, n, step, exclusive, zeros);
      });
    };
  }
  return [=] {
    for (int64_t r = 0; r < rows; r++) {
      double totals[kMaxParts] = {}, starts[kMaxParts] = {};
      parallel_ranges(n, parts, 16, [&](int part, int64_t begin, int64_t end) {
        totals[part] = sum(x + r * n + begin, end - begin);
      });
      for (int i = 1; i < parts; i++) {
        const int part = step > 0 ? i : parts - 1 - i;
        starts[part] = starts[part - step] + totals[part - step];
      }
      parallel_ranges(n, parts, 16, [&](int part, int64_t begin, int64_t end) {
        scan<1>(y + r * n + begin, x + r * n + begin, n, end - begin, step, exclusive, starts + part);
      });
    }
  };
}

}  // namespace gradstep::cpu
