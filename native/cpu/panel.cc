// See panel.h: results stay in registers over the whole depth, 8 rows x 32 lanes with 32 vector registers of 16 lanes
// (AVX-512), 6 x 16 with 16 of 8 lanes.
#include "cpu/panel.h"

#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

template <int kRows, int kVectors, typename Vector>
GRADSTEP_INLINE void tile(const Panel& p, int64_t m, int64_t n) {
  Vector sums[kRows][kVectors];
  float* c = p.c + m * p.c_row + n;
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) {
      sums[i][v] = Vector{};
      if (p.add) sums[i][v] = load_lanes<Vector>(c + i * p.c_row + v * kWidth<Vector>);
    }
  }
  const float* a = p.a + m * p.a_row;
  const float* b = p.b + n;
  const int64_t a_row = p.a_row;
  for (int64_t k = 0; k < p.depth; k++, a += p.a_depth, b += p.b_row) {
    Vector row[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) row[v] = load_lanes<Vector>(b + v * kWidth<Vector>);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) sums[i][v] += a[i * a_row] * row[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) store_lanes(c + i * p.c_row + v * kWidth<Vector>, sums[i][v]);
  }
}

template <int kRows, int kVectors, typename Vector>
GRADSTEP_INLINE int64_t tiles(const Panel& p, int64_t m, int64_t n) {
  for (; m + kRows <= p.rows; m += kRows) tile<kRows, kVectors, Vector>(p, m, n);
  return m;
}

template <int kRows, int kVectors, typename Vector>
GRADSTEP_INLINE int64_t columns(const Panel& p, int64_t n) {
  constexpr int64_t kFloats = kVectors * kWidth<Vector>;
  for (; n + kFloats <= p.lanes; n += kFloats) {
    int64_t m = tiles<kRows, kVectors, Vector>(p, 0, n);
    if (kRows > 4) m = tiles<4, kVectors, Vector>(p, m, n);
    tiles<1, kVectors, Vector>(p, m, n);
  }
  return n;
}

GRADSTEP_VECTORISED void with_32_registers(const Panel& p) {
  const int64_t n = columns<8, 2, Lanes>(p, 0);
  columns<8, 1, Lanes>(p, n);
}

GRADSTEP_VECTORISED void with_16_registers(const Panel& p) { columns<6, 2, EightLanes>(p, 0); }

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
