// What softmax and softmax_cross_entropy share on CUDA: a row is worked on by a team of threads, a warp or a block of
// 256 where rows are long, kWidth neighbouring elements a thread at a time.
#pragma once

#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/reduce.h"
#include "ops/scalar.h"

namespace gradstep::cuda {

constexpr int kRowThreads = 256;
// That many blocks are to fit on a multiprocessor: left to itself, ptxas spills registers so that one more does.
constexpr int kRowBlocks = 4;
constexpr int kLongRow = 2048;  // elements from which on a whole block works on a row

// The grid for `rows` rows, and which of a kernel's variants fits them.
struct RowLayout {
  bool block_per_row, wide;
  dim3 grid;
  RowLayout(int64_t rows, int64_t length)
      : block_per_row(length >= kLongRow),
        wide(length % 4 == 0),
        grid(blocks_for(rows, block_per_row ? 1 : kRowThreads / kWarp)) {}
};

// One of kernel<team, width>.
template <typename Kernel>
Kernel choose(const RowLayout& layout, Kernel warp1, Kernel warp4, Kernel block1, Kernel block4) {
  return layout.block_per_row ? (layout.wide ? block4 : block1) : (layout.wide ? warp4 : warp1);
}

template <int kTeam>
struct Team {
  static __device__ int64_t row() {
    return static_cast<int64_t>(blockIdx.x) * (kRowThreads / kTeam) + threadIdx.x / kTeam;
  }
  static __device__ int32_t member() { return threadIdx.x % kTeam; }

  template <typename Op>
  static __device__ float reduce(float value, Op op, float identity) {
    if constexpr (kTeam == kWarp) return warp_reduce(value, op);
    return block_reduce<kTeam>(value, op, identity);
  }
};

// The largest element of a row, NaN if there is one; every member gets it.
template <int kTeam, int kWidth>
__device__ inline float row_max(const float* x, int32_t length) {
  float largest = -INFINITY;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < length; i += kTeam * kWidth) {
    const Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) largest = Max{}(largest, v.v[k]);
  }
  return Team<kTeam>::reduce(largest, Max{}, -INFINITY);
}

// y = e^(x - largest), and the sum of that. y may be x, and null: the sum only.
template <int kTeam, int kWidth>
__device__ inline float row_exponentials(const float* x, float largest, float* y, int32_t length) {
  float sum = 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < length; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      v.v[k] = scalar::exp(v.v[k] - largest);
      sum += v.v[k];
    }
    if (y) store_pack(y + i, v);
  }
  return Team<kTeam>::reduce(sum, Sum{}, 0.f);
}

template <int kTeam, int kWidth>
__device__ inline void row_scale(float* y, float factor, int32_t length) {
  for (int32_t i = Team<kTeam>::member() * kWidth; i < length; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(y + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] *= factor;
    store_pack(y + i, v);
  }
}

}  // namespace gradstep::cuda
