// Operands of products of tiles, rounded to bfloat16 as they are packed, or stored in it already
// (uint16_t). A tile of the first operand is [16 rows][16 pairs of the depth], one of the second [16 pairs][16
// columns]; either is sixteen vectors of sixteen pairs, as they are read or transposed (`turned`).
#pragma once

#include "cpu/tile_unit.h"

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace gradstep::cpu {

constexpr int64_t kSide = 16;              // rows, columns and pairs of a tile
constexpr int64_t kDepth = 32;             // elements of the depth in one
constexpr int64_t kTile = kSide * kDepth;  // its elements

GRADSTEP_TILES inline __mmask16 first(int64_t n) {
  return static_cast<__mmask16>(n >= kSide ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}

GRADSTEP_TILE_INLINE __m512i rounded(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// Of 32 elements side by side those that `low` and, of the second sixteen, `high` name.
GRADSTEP_TILE_INLINE __m512i load_pairs(const float* at, __mmask16 low, __mmask16 high) {
  return rounded(_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at + kSide));
}

GRADSTEP_TILE_INLINE __m512i load_pairs(const uint16_t* at, __mmask16 low, __mmask16 high) {
  return _mm512_maskz_loadu_epi16(static_cast<__mmask32>(high) << kSide | low, at);
}

// Sixteen elements of a step of the depth and of the next, `stride` on, element by element side by side.
GRADSTEP_TILE_INLINE __m512i load_steps(const float* at, int64_t stride, __mmask16 low, __mmask16 high) {
  return pair_rows(_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at + stride));
}

GRADSTEP_TILE_INLINE __m512i load_steps(const uint16_t* at, int64_t stride, __mmask16 low, __mmask16 high) {
  const __m256i first = _mm256_maskz_loadu_epi16(low, at), second = _mm256_maskz_loadu_epi16(high, at + stride);
  return interleaved(_mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1));
}

// A tile of an operand whose rows (of a) or columns (of b) lie `stride` apart, each with its depth side by side:
// `count` of them, `depth` elements of each. Vector i holds the pairs of row or column i.
template <typename Stored>
GRADSTEP_TILE_INLINE void pack_along(uint16_t* to, const Stored* from, int64_t stride, int64_t count, int64_t depth,
                                     bool turned) {
  __m512i v[kSide];
  const __mmask16 low = first(depth), high = first(depth - kSide);
  if (count >= kSide) {
#pragma GCC unroll 16
    for (int i = 0; i < kSide; i++) v[i] = load_pairs(from + i * stride, low, high);
  } else {
    for (int i = 0; i < kSide; i++) {
      v[i] = i < count ? load_pairs(from + i * stride, low, high) : _mm512_setzero_si512();
    }
  }
  if (turned) transpose(v);
#pragma GCC unroll 16
  for (int i = 0; i < kSide; i++) _mm512_store_si512(to + i * kDepth, v[i]);
}

// The same of an operand whose depth lies `stride` apart. Vector i holds pair i of all rows or columns.
template <typename Stored>
GRADSTEP_TILE_INLINE void pack_across(uint16_t* to, const Stored* from, int64_t stride, int64_t count, int64_t depth,
                                      bool turned) {
  const __mmask16 there = first(count);
  __m512i v[kSide];
  if (depth >= kDepth) {
#pragma GCC unroll 16
    for (int i = 0; i < kSide; i++) v[i] = load_steps(from + 2 * i * stride, stride, there, there);
  } else {
    for (int i = 0; i < kSide; i++) {
      const int64_t left = depth - 2 * i;
      v[i] = left <= 0 ? _mm512_setzero_si512()
                       : load_steps(from + 2 * i * stride, stride, there, left > 1 ? there : __mmask16{0});
    }
  }
  if (turned) transpose(v);
#pragma GCC unroll 16
  for (int i = 0; i < kSide; i++) _mm512_store_si512(to + i * kDepth, v[i]);
}

}  // namespace gradstep::cpu

#endif
