// The product that kernels are made of: some rows times some vectors of columns, in registers over the whole depth. For
// use inside functions that are compiled for each instruction set.
#pragma once

#include <algorithm>

#include "cpu/lanes.h"

namespace gradstep::cpu {

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

// Vectors of columns that are worked on together at most, and rows of sums beside so many: up to 24 of the 32 registers
// of sixteen lanes, 12 of the 16 of eight.
template <typename V>
constexpr int kMostVectors = kWidth<V> == kLanes ? 4 : 2;

template <typename V>
constexpr int rows_beside(int vectors) {
  return std::min(12, (kWidth<V> == kLanes ? 24 : 12) / vectors);
}

template <int kRows, int kVectors, bool kTransposed, typename V = Lanes>
GRADSTEP_INLINE void tile_product(const ProductOperands& o, bool add) {
  V sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      sums[r][v] = add ? load_lanes<V>(o.z + r * o.z_stride + v * o.z_vector) : V{};
    }
  }
  const float* a = o.a;
  const float* b = o.b;
  for (int64_t k = 0; k < o.depth; k++, a += kTransposed ? o.a_stride : 1, b += o.b_stride) {
    V columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) columns[v] = load_lanes<V>(b + v * kWidth<V>);
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

// The same of `rows` rows, from 1 to kMost.
template <int kMost, int kVectors, bool kTransposed, typename V>
GRADSTEP_INLINE void tile_product_of(int64_t rows, const ProductOperands& o, bool add) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return tile_product_of<kMost - 1, kVectors, kTransposed, V>(rows, o, add);
  }
  tile_product<kMost, kVectors, kTransposed, V>(o, add);
}

}  // namespace gradstep::cpu
