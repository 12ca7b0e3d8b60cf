// See pair_panel.h: results stay in registers over the whole depth, 8 rows x 32 lanes.
#include "cpu/pair_panel.h"

#include "cpu/tile_unit.h"

namespace gradstep::cpu {

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

template <int kRows, int kVectors>
GRADSTEP_TILE_INLINE void tile(const Panel& p, int64_t m, int64_t n) {
  __m512 sums[kRows][kVectors];
  float* const c = p.c + m * p.c_row + n;
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) {
      sums[i][v] = p.add ? _mm512_loadu_ps(c + i * p.c_row + v * kPanelLanes) : _mm512_setzero_ps();
    }
  }
  const float *a = p.a + m * p.a_row, *b = p.b + n;
  const int64_t a_row = p.a_row;
  for (int64_t k = 0; k < p.depth; k++, a += p.a_depth, b += p.b_row) {
    __m512bh row[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) row[v] = (__m512bh)_mm512_loadu_ps(b + v * kPanelLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; i++) {
      const auto pair = (__m512bh)_mm512_set1_ps(a[i * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) sums[i][v] = _mm512_dpbf16_ps(sums[i][v], pair, row[v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) _mm512_storeu_ps(c + i * p.c_row + v * kPanelLanes, sums[i][v]);
  }
}

template <int kVectors>
GRADSTEP_TILE_INLINE int64_t columns(const Panel& p, int64_t n) {
  for (; n + kVectors * kPanelLanes <= p.lanes; n += kVectors * kPanelLanes) {
    int64_t m = 0;
    for (; m + 8 <= p.rows; m += 8) tile<8, kVectors>(p, m, n);
    if (m + 4 <= p.rows) {
      tile<4, kVectors>(p, m, n);
      m += 4;
    }
    for (; m < p.rows; m++) tile<1, kVectors>(p, m, n);
  }
  return n;
}

}  // namespace

GRADSTEP_TILES void multiply_pair_panel(const Panel& p) { columns<1>(p, columns<2>(p, 0)); }

GRADSTEP_TILES void pack_row_pairs(float* words, const float* rows, int64_t lanes, int64_t count) {
  for (int64_t r = 0; r < count; r += 2) {
    const float *first = rows + r * lanes, *second = first + lanes;
    float* const to = words + r / 2 * lanes;
    for (int64_t n = 0; n < lanes; n += kPanelLanes) {
      const __m512 other = r + 1 < count ? _mm512_loadu_ps(second + n) : _mm512_setzero_ps();
      _mm512_storeu_si512(to + n, pair_rows(_mm512_loadu_ps(first + n), other));
    }
  }
}

#else

void multiply_pair_panel(const Panel&) {}
void pack_row_pairs(float*, const float*, int64_t, int64_t) {}

#endif

}  // namespace gradstep::cpu
