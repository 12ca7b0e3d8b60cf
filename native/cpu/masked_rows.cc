// See masked_rows.h.
#include "cpu/masked_rows.h"

#include "cpu/bfloat16.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRows = 64;          // added up before their sum is added to the others': long sums lose less
constexpr int64_t kStretch = 1 << 12;  // elements that are still in the first-level cache when they are rounded

GRADSTEP_INLINE float wide(float x) { return x; }
GRADSTEP_INLINE float wide(uint16_t x) { return from_bfloat16(x); }

template <typename Mask>
GRADSTEP_INLINE void mask_each(float* __restrict y, const Mask* __restrict mask, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = wide(mask[i]) > 0.f ? y[i] : 0.f;
}

template <typename Mask>
GRADSTEP_INLINE void mask_and_add_each(float* __restrict few, float* __restrict y, const Mask* __restrict mask,
                                       int64_t count, int64_t columns) {
  for (int64_t r = 0; r < count; r++, y += columns, mask += columns) {
    for (int64_t c = 0; c < columns; c++) {
      const float left = wide(mask[c]) > 0.f ? y[c] : 0.f;
      y[c] = left;
      few[c] += left;
    }
  }
}

GRADSTEP_VECTORISED void mask_elements(float* __restrict y, const float* __restrict mask, int64_t n) {
  mask_each(y, mask, n);
}
GRADSTEP_VECTORISED void mask_elements(float* __restrict y, const uint16_t* __restrict mask, int64_t n) {
  mask_each(y, mask, n);
}

// few [columns] += what is left of `count` rows.
GRADSTEP_VECTORISED void mask_and_add(float* __restrict few, float* __restrict y, const float* __restrict mask,
                                      int64_t count, int64_t columns) {
  mask_and_add_each(few, y, mask, count, columns);
}
GRADSTEP_VECTORISED void mask_and_add(float* __restrict few, float* __restrict y, const uint16_t* __restrict mask,
                                      int64_t count, int64_t columns) {
  mask_and_add_each(few, y, mask, count, columns);
}

// Elements begin … end - 1 of y, where no sums are wanted. Mask: how the mask is stored.
template <typename Mask>
void mask_range(const MaskedRows& m, float* product, uint16_t* narrow, int64_t begin, int64_t end) {
  const Mask* const mask = static_cast<const Mask*>(m.mask);
  const int64_t stretch = narrow ? kStretch : end - begin;
  for (int64_t at = begin; at < end; at += stretch) {
    const int64_t n = std::min(stretch, end - at);
    if (mask) mask_elements(product + at, mask + at, n);
    if (narrow) to_bfloat16(narrow + at, product + at, n);
  }
}

// Rows begin … end - 1 of y, whose columns' sums are added to total [columns] by way of few [columns].
template <typename Mask>
void sum_range(const MaskedRows& m, float* product, uint16_t* narrow, float* total, float* few, int64_t begin,
               int64_t end) {
  const Mask* const mask = static_cast<const Mask*>(m.mask);
  for (int64_t row = begin; row < end; row += kRows) {
    const int64_t count = std::min(kRows, end - row), at = row * m.columns;
    fill(few, 0.f, m.columns);
    mask_and_add(few, product + at, mask + at, count, m.columns);
    if (narrow) to_bfloat16(narrow + at, product + at, count * m.columns);
    add(total, few, m.columns);
  }
}

template <typename Mask>
void run_masked(const MaskedRows& m, void* workspace, int threads) {
  const bool rounds = m.y_stored == DType::kBfloat16;
  float* const product = rounds ? m.product : static_cast<float*>(m.y);
  uint16_t* const narrow = rounds ? static_cast<uint16_t*>(m.y) : nullptr;
  const int64_t columns = m.columns;
  const int parts = parts_of(m.rows * columns, threads);
  if (!m.sums) {
    parallel_ranges(m.rows * columns, parts, 16,
                    [&](int, int64_t begin, int64_t end) { mask_range<Mask>(m, product, narrow, begin, end); });
    return;
  }
  float* const totals = static_cast<float*>(workspace);
  fill(totals, 0.f, parts * columns);
  parallel_ranges(m.rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
    sum_range<Mask>(m, product, narrow, totals + part * columns, totals + (parts + part) * columns, begin, end);
  });
  fill(m.sums, 0.f, columns);
  for (int part = 0; part < parts; part++) add(m.sums, totals + part * columns, columns);
}

}  // namespace

void MaskedRows::run(void* workspace, int threads) const {
  if (mask_stored == DType::kBfloat16) {
    run_masked<uint16_t>(*this, workspace, threads);
  } else {
    run_masked<float>(*this, workspace, threads);
  }
}

}  // namespace gradstep::cpu
