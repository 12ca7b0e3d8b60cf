// Reductions over a warp and over a block, in an order that depends on nothing but the number of threads, so that the
// same input gives the same bits. Every thread of the warp or block must call them, and every one gets the result.
#pragma once

#include <cuda_runtime.h>

#include "cuda/launch.h"

namespace gradstep::cuda {

constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;
constexpr unsigned kAllLanes = 0xffffffffu;

// Of a block, where a row is a warp's.
constexpr int kRowsPerBlock = 4;

struct Sum {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

// NaN wins, so that a broken network is noticed.
struct Max {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

struct Min {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
};

// A value and where it came from: the larger value wins, then the lower index.
template <typename T>
struct Indexed {
  T value;
  int index;
};

template <typename T>
__device__ inline Indexed<T> better(Indexed<T> a, Indexed<T> b) {
  if (a.value > b.value || (a.value == b.value && a.index < b.index)) return a;
  return b;
}

// Butterfly: a and b are combined in both lanes alike, and the operations are commutative, so all lanes agree.
template <typename T, typename Op>
__device__ inline T warp_reduce(T value, Op op) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = op(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

template <typename T>
__device__ inline Indexed<T> warp_best(Indexed<T> item) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Indexed<T> other = {__shfl_xor_sync(kAllLanes, item.value, distance),
                              __shfl_xor_sync(kAllLanes, item.index, distance)};
    item = better(item, other);
  }
  return item;
}

// Threads: the block's size, a multiple of 32, one-dimensional. `identity` is what op leaves other values alone with.
// Ends with a barrier, so that it can be called again at once.
template <int kThreads, typename T, typename Op>
__device__ inline T block_reduce(T value, Op op, T identity) {
  static_assert(kThreads % kWarp == 0 && kThreads <= 1024, "whole warps");
  constexpr int kWarps = kThreads / kWarp;
  value = warp_reduce(value, op);
  if constexpr (kWarps == 1) {
    return value;
  } else {
    __shared__ T partial[kWarps];
    const int lane = threadIdx.x % kWarp;
    if (lane == 0) partial[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = warp_reduce(lane < kWarps ? partial[lane] : identity, op);
    __syncthreads();
    return value;
  }
}

template <int kThreads, typename T>
__device__ inline T block_sum(T value) {
  return block_reduce<kThreads>(value, Sum{}, T(0));
}

}  // namespace gradstep::cuda
