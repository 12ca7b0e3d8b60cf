// See panel.h: results stay in registers over the whole depth, 8 rows x 32 lanes with 32 vector registers (AVX-512),
// 4 x 16 with 16 of them.
#include "cpu/panel.h"

#include <cstring>

#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

typedef float Lanes __attribute__((vector_size(kPanelLanes * sizeof(float))));

template <int kRows, int kVectors>
GRADSTEP_INLINE void tile(const Panel& p, int64_t m, int64_t n) {
  Lanes sums[kRows][kVectors];
  float* c = p.c + m * p.c_row + n;
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) {
      sums[i][v] = Lanes{};
      if (p.add) memcpy(&sums[i][v], c + i * p.c_row + v * kPanelLanes, sizeof(Lanes));
    }
  }
  const float* a = p.a + m * p.a_row;
  const float* b = p.b + n;
  const int64_t a_row = p.a_row;
  for (int64_t k = 0; k < p.depth; k++, a += p.a_depth, b += p.b_row) {
    Lanes row[kVectors];
    memcpy(row, b, sizeof row);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) sums[i][v] += a[i * a_row] * row[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) memcpy(c + i * p.c_row + v * kPanelLanes, &sums[i][v], sizeof(Lanes));
  }
}

template <int kRows, int kVectors>
GRADSTEP_INLINE int64_t tiles(const Panel& p, int64_t m, int64_t n) {
  for (; m + kRows <= p.rows; m += kRows) tile<kRows, kVectors>(p, m, n);
  return m;
}

template <int kRows, int kVectors>
GRADSTEP_INLINE int64_t columns(const Panel& p, int64_t n) {
  for (; n + kVectors * kPanelLanes <= p.lanes; n += kVectors * kPanelLanes) {
    int64_t m = tiles<kRows, kVectors>(p, 0, n);
    if (kRows > 4) m = tiles<4, kVectors>(p, m, n);
    tiles<1, kVectors>(p, m, n);
  }
  return n;
}

GRADSTEP_VECTORISED void with_32_registers(const Panel& p) {
  const int64_t n = columns<8, 2>(p, 0);
  columns<8, 1>(p, n);
}

GRADSTEP_VECTORISED void with_16_registers(const Panel& p) { columns<4, 1>(p, 0); }

bool has_32_registers() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f");
#elif defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

}  // namespace

void multiply_panel(const Panel& p) {
  static const bool wide = has_32_registers();
  if (wide) {
    with_32_registers(p);
  } else {
    with_16_registers(p);
  }
}

}  // namespace gradstep::cpu
