// How sums of a convolution or a gradient of one become results, on whichever kernel they are made: in float32 or
// bfloat16, masked, added to what is there; where there are slices of sums or what a library has left to do, by a pass.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/floats.cuh"

namespace gradstep::cuda {

// What becomes of a sum on its way to memory: where `mask` is not above 0 it is 0; it is added where `accumulate` says.
struct Ending {
  Floats to;
  Floats mask;
  bool accumulate = false;
};

// kWidth neighbours of a result, from element `at` on. Results have fewer than 2^31 elements.
template <int kWidth>
__device__ inline void end_sum(const Ending& ending, uint32_t at, Pack<float, kWidth> values) {
  if (ending.mask) {
    const Pack<float, kWidth> above = load_floats<kWidth>(ending.mask, at);
#pragma unroll
    for (int e = 0; e < kWidth; e++) values.v[e] = above.v[e] > 0.f ? values.v[e] : 0.f;
  }
  if (ending.accumulate) {
    const Pack<float, kWidth> old = load_floats<kWidth>(ending.to, at);
#pragma unroll
    for (int e = 0; e < kWidth; e++) values.v[e] += old.v[e];
  }
  store_floats<kWidth>(ending.to, at, values);
}

// Four neighbours of a row of n from column `column` on, those inside it; `row`: where it begins. kWhole: n divides by
// four, and rows begin at multiples of it.
template <bool kWhole>
__device__ inline void end_quad(const Ending& ending, uint32_t row, int32_t column, int32_t n,
                                const Pack<float, 4>& values) {
  if constexpr (kWhole) {
    if (column < n) end_sum<4>(ending, row + column, values);
  } else {
#pragma unroll 1
    for (int e = 0; e < 4 && column + e < n; e++) {
      float value = values.v[0];
#pragma unroll
      for (int i = 1; i < 4; i++) value = i == e ? values.v[i] : value;
      end_sum<1>(ending, row + column + e, {{value}});
    }
  }
}

// The block's slice of results that are `elements` long, one for each slice; only those in float32 are more than one.
__device__ inline Floats slice_of(const Floats& results, int64_t elements) {
  return blockIdx.z == 0 ? results : Floats{static_cast<float*>(results.data) + blockIdx.z * elements, false};
}

// act(the sum of slices of that size + bias), in order, to [rows, channels].
void add_slices(cudaStream_t stream, const Floats& slices, int64_t count, int64_t rows, int32_t channels,
                const float* bias, bool relu, const Ending& ending);

}  // namespace gradstep::cuda
