// topMask on the CPU: positions of a row are partitioned so that the k leaders come first; workspace: a row of
// positions for each part.
#include "generated/args/top_mask.h"

#include <algorithm>
#include <numeric>

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "ops/pool.h"

namespace gradstep::cpu {
namespace {

void mask_row(float* y, const float* x, int32_t* order, int64_t n, int64_t k) {
  std::iota(order, order + n, 0);
  const auto leads = [x](int32_t a, int32_t b) { return takes_lead(x[a], x[b]) || (!takes_lead(x[b], x[a]) && a < b); };
  if (k < n) std::nth_element(order, order + k, order + n, leads);
  fill(y, 0.f, n);
  for (int64_t i = 0; i < k; i++) y[order[i]] = 1.f;
}

}  // namespace

Step top_mask(Prepare& prepare, const TopMaskArgs& args) {
  const int64_t n = args.x.dims[args.x.rank - 1];
  const int64_t rows = args.x.size() / n;
  const int parts = parts_of(args.x.size(), prepare.threads(), kGrain / 8);
  int32_t* order = static_cast<int32_t*>(prepare.workspace(sizeof(int32_t) * n * parts));
  return [n, rows, parts, order, k = args.k, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) mask_row(y + r * n, x + r * n, order + part * n, n, k);
    });
  };
}

}  // namespace gradstep::cpu
