// Sixteen float32 side by side, also of what is stored in bfloat16, and the product they are made for: some rows times
// some vectors of columns, in registers over the whole depth. For use inside functions that are compiled for each
// instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/parallel.h"

namespace gradstep::cpu {

constexpr int64_t kLanes = 16;

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

GRADSTEP_INLINE Lanes load_lanes(const float* from) {
  Lanes lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

GRADSTEP_INLINE void store_lanes(float* to, Lanes lanes) { memcpy(to, &lanes, sizeof lanes); }

typedef uint32_t LaneBits __attribute__((vector_size(sizeof(Lanes))));
typedef uint16_t HalfLanes __attribute__((vector_size(sizeof(Lanes) / 2)));

GRADSTEP_INLINE Lanes load_lanes(const uint16_t* from) {
  HalfLanes halves;
  memcpy(&halves, from, sizeof halves);
  return reinterpret_cast<Lanes>(__builtin_convertvector(halves, LaneBits) << 16);
}

// Rounds as bfloat16_bits (bfloat16.h) does.
GRADSTEP_INLINE void store_lanes(uint16_t* to, Lanes lanes) {
  const LaneBits bits = reinterpret_cast<LaneBits>(lanes), nearest = bits + 0x7fffu + (bits >> 16 & 1u);
  const HalfLanes halves = __builtin_convertvector((lanes == lanes ? nearest : bits | 0x400000u) >> 16, HalfLanes);
  memcpy(to, &halves, sizeof halves);
}

// To bfloat16, as round_to_bfloat16 (bfloat16.h) does numbers, infinities and the NaN that arithmetic makes.
GRADSTEP_INLINE Lanes rounded(Lanes lanes) {
  const LaneBits bits = reinterpret_cast<LaneBits>(lanes);
  return reinterpret_cast<Lanes>((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u);
}

// z[row][vector] (+)= sum over depth of a(row, depth) b[depth][vector]; strides in floats.
struct ProductOperands {
  const float* a;
  int64_t a_stride;  // from row to row; of a transposed a from depth to depth
  const float* b;
  int64_t b_stride;  // from depth to depth
  float* z;
  int64_t z_stride, z_vector;  // from row to row, from vector to vector
  int64_t depth;
};

template <int kRows, int kVectors, bool kTransposed>
GRADSTEP_INLINE void tile_product(const ProductOperands& o, bool add) {
  Lanes sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      sums[r][v] = add ? load_lanes(o.z + r * o.z_stride + v * o.z_vector) : Lanes{};
    }
  }
  const float* a = o.a;
  const float* b = o.b;
  for (int64_t k = 0; k < o.depth; k++, a += kTransposed ? o.a_stride : 1, b += o.b_stride) {
    Lanes columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) columns[v] = load_lanes(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; r++) {
      const float factor = a[kTransposed ? r : r * o.a_stride];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) sums[r][v] += factor * columns[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) store_lanes(o.z + r * o.z_stride + v * o.z_vector, sums[r][v]);
  }
}

}  // namespace gradstep::cpu
