// Operands of products on the tile units (AMX), rounded to bfloat16 as they are packed. A tile of the first operand is
// [16 rows][16 pairs of the depth], one of the second [16 pairs][16 columns]; either is sixteen vectors of sixteen
// pairs, as they are read or transposed (`turned`).
#pragma once

#include "cpu/tile_unit.h"

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace gradstep::cpu {

#define GRADSTEP_TILE_INLINE GRADSTEP_TILES inline __attribute__((always_inline))

constexpr int64_t kSide = 16;              // rows, columns and pairs of a tile
constexpr int64_t kDepth = 32;             // elements of the depth in one
constexpr int64_t kTile = kSide * kDepth;  // its elements

GRADSTEP_TILES inline __mmask16 first(int64_t n) {
  return static_cast<__mmask16>(n >= kSide ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}

GRADSTEP_TILE_INLINE __m512i rounded(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// A tile of an operand whose rows (of a) or columns (of b) lie `stride` apart, each with its depth side by side:
// `count` of them, `depth` elements of each. Vector i holds the pairs of row or column i.
GRADSTEP_TILE_INLINE void pack_along(uint16_t* to, const float* from, int64_t stride, int64_t count, int64_t depth,
                                     bool turned) {
  __m512i v[kSide];
  const __mmask16 low = first(depth), high = first(depth - kSide);
  if (count >= kSide) {
#pragma GCC unroll 16
    for (int i = 0; i < kSide; i++) {
      const float* at = from + i * stride;
      v[i] = rounded(_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at + kSide));
    }
  } else {
    for (int i = 0; i < kSide; i++) {
      const float* at = from + i * stride;
      v[i] = i < count ? rounded(_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at + kSide))
                       : _mm512_setzero_si512();
    }
  }
  if (turned) transpose(v);
#pragma GCC unroll 16
  for (int i = 0; i < kSide; i++) _mm512_store_si512(to + i * kDepth, v[i]);
}

// The same of an operand whose depth lies `stride` apart. Vector i holds pair i of all rows or columns.
GRADSTEP_TILE_INLINE void pack_across(uint16_t* to, const float* from, int64_t stride, int64_t count, int64_t depth,
                                      bool turned) {
  const __mmask16 there = first(count);
  __m512i v[kSide];
  if (depth >= kDepth) {
#pragma GCC unroll 16
    for (int i = 0; i < kSide; i++) {
      const float* at = from + 2 * i * stride;
      v[i] = pair_rows(_mm512_maskz_loadu_ps(there, at), _mm512_maskz_loadu_ps(there, at + stride));
    }
  } else {
    for (int i = 0; i < kSide; i++) {
      const float* at = from + 2 * i * stride;
      const __m512 low = 2 * i < depth ? _mm512_maskz_loadu_ps(there, at) : _mm512_setzero_ps();
      const __m512 high = 2 * i + 1 < depth ? _mm512_maskz_loadu_ps(there, at + stride) : _mm512_setzero_ps();
      v[i] = pair_rows(low, high);
    }
  }
  if (turned) transpose(v);
#pragma GCC unroll 16
  for (int i = 0; i < kSide; i++) _mm512_store_si512(to + i * kDepth, v[i]);
}

}  // namespace gradstep::cpu

#endif
