// The operands of cpu/packed_product.h as it multiplies them: strips of six rows of the left one, [depth][6], and of
// sixteen columns of the right one, [depth][16]. For use inside functions that are compiled for each instruction set.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/bfloat16.h"
#include "cpu/lanes.h"

namespace gradstep::cpu {

constexpr int64_t kTileRows = 6;
constexpr int64_t kVector = kLanes / 2;
constexpr int64_t kBlockDepth = 256;
constexpr int64_t kStrip = kBlockDepth * kTileRows + kVector;  // rows are stored eight numbers at a time

template <bool kRound>
GRADSTEP_INLINE float operand(float x) {
  return kRound ? round_to_bfloat16(x) : x;
}
template <bool kRound>
GRADSTEP_INLINE float operand(uint16_t x) {
  return from_bfloat16(x);
}

// Eight rows of eight become columns.
GRADSTEP_INLINE void transpose(EightLanes (&r)[kVector]) {
  EightLanes t[kVector];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  EightLanes u[kVector];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      u[i + 2 * j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      u[i + 2 * j + 1] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// to[k][6] = up to six rows of `depth` numbers, side by side; zeros for those beyond `rows`.
template <typename T, bool kRound>
GRADSTEP_INLINE void pack_across(float* to, const T* from, int64_t stride, int64_t rows, int64_t depth) {
  int64_t k = 0;
  for (; k + kVector <= depth; k += kVector) {
    EightLanes block[kVector] = {};
#pragma GCC unroll 6
    for (int64_t r = 0; r < kTileRows; r++) {
      if (r < rows) block[r] = load_operand<EightLanes, kRound>(from + r * stride + k);
    }
    transpose(block);
#pragma GCC unroll 8
    for (int i = 0; i < kVector; i++) store_lanes(to + (k + i) * kTileRows, block[i]);
  }
  for (; k < depth; k++) {
    for (int64_t r = 0; r < kTileRows; r++) {
      to[k * kTileRows + r] = r < rows ? operand<kRound>(from[r * stride + k]) : 0.f;
    }
  }
}

// to[strip][k][kWidth] = `depth` rows of `count` numbers that lie side by side already; zeros beyond them.
template <typename T, bool kRound, int64_t kWidth>
GRADSTEP_INLINE void pack_along(float* to, int64_t strip, const T* from, int64_t stride, int64_t count, int64_t depth) {
  for (int64_t k = 0; k < depth; k++, from += stride) {
    float* place = to + k * kWidth;
    int64_t c = 0;
    for (; c + std::max(kWidth, kVector) <= count; c += kWidth, place += strip) {
      store_lanes(place, load_operand<EightLanes, kRound>(from + c));
      if constexpr (kWidth > kVector) {
        store_lanes(place + kVector, load_operand<EightLanes, kRound>(from + c + kVector));
      }
    }
    for (; c < count; c += kWidth, place += strip) {
      for (int64_t l = 0; l < kWidth; l++) place[l] = c + l < count ? operand<kRound>(from[c + l]) : 0.f;
    }
  }
}

}  // namespace gradstep::cpu
