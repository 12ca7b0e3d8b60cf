// What the tile unit does, on vectors that multiply pairs of bfloat16 (AVX-512 BF16 without AMX): rows of a first
// operand times columns of a second, which lie as tiles do (tile_pack.h). Sums stay in registers; each vector of the
// second operand meets a pair of every row.
#pragma once

#include "cpu/tile_unit.h"

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace gradstep::cpu {

GRADSTEP_TILE_INLINE __m512bh pair_everywhere(const uint16_t* pair) {
  int both;
  __builtin_memcpy(&both, pair, sizeof(both));
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
}

// Where tiles of columns lie, in elements: the next sixteen columns, and the next 32 of the depth.
struct ColumnTiles {
  const uint16_t* at;
  int64_t block, step;
};

// Where sums go, in floats: the next row, and the next sixteen columns.
struct SumTiles {
  float* at;
  int64_t row, block;
};

// kRows rows times kColumns blocks of sixteen columns, over `steps` tiles of the depth: c is, or with kAdd grows by,
// the sums. rows(step): where the first row's 32 elements begin, the other rows `row` elements apart.
template <bool kAdd, int kRows, int kColumns, typename Rows>
GRADSTEP_TILE_INLINE void multiply_in_vectors(const Rows& rows, int64_t row, ColumnTiles b, int64_t steps, SumTiles c) {
  static_assert(kRows * kColumns <= 24, "sums of 32 registers");
  constexpr int kQuarters = (kRows + 3) / 4;
  __m512 sums[kRows][kColumns];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kColumns; v++) {
      sums[r][v] = kAdd ? _mm512_loadu_ps(c.at + r * c.row + v * c.block) : _mm512_setzero_ps();
    }
  }
  for (int64_t step = 0; step < steps; step++, b.at += b.step) {
    const uint16_t* quarters[kQuarters];
    quarters[0] = rows(step);
    for (int q = 1; q < kQuarters; q++) quarters[q] = quarters[q - 1] + 4 * row;
#pragma GCC unroll 1
    for (int pair = 0; pair < 16; pair++) {
      __m512bh columns[kColumns];
#pragma GCC unroll 4
      for (int v = 0; v < kColumns; v++) {
        columns[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b.at + v * b.block + pair * 32));
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; r++) {
        const __m512bh both = pair_everywhere(quarters[r / 4] + r % 4 * row + 2 * pair);
#pragma GCC unroll 4
        for (int v = 0; v < kColumns; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], columns[v], both);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kColumns; v++) _mm512_storeu_ps(c.at + r * c.row + v * c.block, sums[r][v]);
  }
}

}  // namespace gradstep::cpu

#endif
