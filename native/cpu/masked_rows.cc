// See masked_rows.h.
#include "cpu/masked_rows.h"

#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRows = 64;  // added up before their sum is added to the others': long sums lose less

GRADSTEP_VECTORISED void mask_elements(float* __restrict y, const float* __restrict mask, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = mask[i] > 0.f ? y[i] : 0.f;
}

// few [columns] += what is left of `count` rows.
GRADSTEP_VECTORISED void mask_and_add(float* __restrict few, float* __restrict y, const float* __restrict mask,
                                      int64_t count, int64_t columns) {
  for (int64_t r = 0; r < count; r++, y += columns, mask += columns) {
    for (int64_t c = 0; c < columns; c++) {
      const float left = mask[c] > 0.f ? y[c] : 0.f;
      y[c] = left;
      few[c] += left;
    }
  }
}

}  // namespace

void MaskedRows::run(void* workspace, int threads) const {
  const int parts = parts_of(rows * columns, threads);
  if (!sums) {
    parallel_ranges(rows * columns, parts, 16,
                    [&](int, int64_t begin, int64_t end) { mask_elements(y + begin, mask + begin, end - begin); });
    return;
  }
  float* const totals = static_cast<float*>(workspace);
  fill(totals, 0.f, parts * columns);
  parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
    float* const total = totals + part * columns;
    float* const few = totals + (parts + part) * columns;
    for (int64_t row = begin; row < end; row += kRows) {
      fill(few, 0.f, columns);
      mask_and_add(few, y + row * columns, mask + row * columns, std::min(kRows, end - row), columns);
      add(total, few, columns);
    }
  });
  fill(sums, 0.f, columns);
  for (int part = 0; part < parts; part++) add(sums, totals + part * columns, columns);
}

}  // namespace gradstep::cpu
