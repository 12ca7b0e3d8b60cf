// The kernels of map, for any chain of scalar functions: a Chain says how many inputs and outputs it has, and computes
// out[] from in[] for one element. Chains that occur often are compiled (generated/map_chains.cuh), the others are
// interpreted (map.cu).
#pragma once

#include <cuda_runtime.h>

#include "core/map_plan.h"
#include "cuda/divide.h"
#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/reduce.h"

namespace gradstep::cuda {

constexpr int kMapThreads = 128;

// What a launch works on. With a row reduction the domain is [rows, length], and the sums of the first result over
// `slice_length` elements each go to `sums` [rows, slices].
struct MapLaunch {
  const void* inputs[kMapInputs];
  float* outputs[kMapOutputs];  // null: not wanted as a whole
  int64_t strides[kMapInputs][kMaxRank];
  int64_t dims[kMaxRank];
  Divider by[kMaxRank];  // dims, where the domain has fewer than 2^31 elements
  int32_t input_count, rank;
  DType dtypes[kMapInputs];
  uint32_t uniform;  // bit k is set where input k is one number
  bool small;        // fewer than 2^31 elements
  int64_t size, length, slice_length;
  int32_t slices;
  float scale;
  float* sums;
};

// Immediates of the tape: what a compiled chain leaves open.
struct Immediates {
  float v[kTapeImmediates];
};

// A compiled chain with its immediates, as a kernel takes it.
template <typename Formula>
struct Compiled {
  static constexpr int kInputs = Formula::kInputs, kOutputs = Formula::kOutputs;
  Immediates immediates;

  __device__ void operator()(const float (&in)[kMapInputs], float (&out)[kMapOutputs]) const {
    Formula::apply(in, immediates.v, out);
  }
};

__device__ inline float load_as_float(const void* data, DType dtype, int64_t at) {
  if (dtype == DType::kInt32) return static_cast<float>(static_cast<const int32_t*>(data)[at]);
  if (dtype == DType::kUint8) return static_cast<float>(static_cast<const uint8_t*>(data)[at]);
  return static_cast<const float*>(data)[at];
}

// Every input's value at element i of the domain.
template <int kInputs>
__device__ inline void load_inputs(const MapLaunch& m, int64_t i, float (&in)[kMapInputs]) {
  int64_t offsets[kInputs > 0 ? kInputs : 1] = {};
  int64_t rest = i;
#pragma unroll
  for (int d = kMaxRank - 1; d >= 0; d--) {
    if (d >= m.rank) continue;
    int64_t at = rest;
    if (d > 0 && m.small) {
      uint32_t remainder;
      rest = m.by[d].divide(static_cast<uint32_t>(rest), remainder);
      at = remainder;
    } else if (d > 0) {
      at = rest % m.dims[d];
      rest /= m.dims[d];
    }
#pragma unroll
    for (int k = 0; k < kInputs; k++) offsets[k] += at * m.strides[k][d];
  }
#pragma unroll
  for (int k = 0; k < kInputs; k++) {
    in[k] = k < m.input_count ? load_as_float(m.inputs[k], m.dtypes[k], offsets[k]) : 0.f;
  }
}

template <int kFirst, int kOutputs>
__device__ inline void store_outputs(const MapLaunch& m, int64_t i, const float (&out)[kMapOutputs]) {
#pragma unroll
  for (int k = kFirst; k < kOutputs; k++) {
    if (m.outputs[k]) m.outputs[k][i] = out[k];
  }
}

// One element a thread, whatever the inputs' types and strides.
template <typename Chain>
__global__ void __launch_bounds__(kMapThreads) map_elements(const MapLaunch m, const Chain chain) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMapThreads + threadIdx.x;
  if (i >= m.size) return;
  float in[kMapInputs], out[kMapOutputs];
  load_inputs<Chain::kInputs>(m, i, in);
  chain(in, out);
  store_outputs<0, Chain::kOutputs>(m, i, out);
}

// Four elements a thread; every input is float32 and either in the domain's order or one number.
template <typename Chain>
__global__ void __launch_bounds__(kMapThreads) map_flat(const MapLaunch m, const Chain chain) {
  constexpr int kWidth = 4;
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kMapThreads + threadIdx.x) * kWidth;
  if (i >= m.size) return;
  const int64_t left = m.size - i;
  Pack<float, kWidth> values[Chain::kInputs > 0 ? Chain::kInputs : 1], results[Chain::kOutputs];
#pragma unroll
  for (int k = 0; k < Chain::kInputs; k++) {
    const float* from = static_cast<const float*>(m.inputs[k]);
    if (m.uniform >> k & 1u) {
#pragma unroll
      for (int e = 0; e < kWidth; e++) values[k].v[e] = *from;
    } else if (left >= kWidth) {
      values[k] = load_pack<kWidth>(from + i);
    } else {
#pragma unroll
      for (int e = 0; e < kWidth; e++) values[k].v[e] = from[i + (e < left ? e : 0)];
    }
  }
#pragma unroll
  for (int e = 0; e < kWidth; e++) {
    float in[kMapInputs], out[kMapOutputs];
#pragma unroll
    for (int k = 0; k < Chain::kInputs; k++) in[k] = values[k].v[e];
    chain(in, out);
#pragma unroll
    for (int k = 0; k < Chain::kOutputs; k++) results[k].v[e] = out[k];
  }
#pragma unroll
  for (int k = 0; k < Chain::kOutputs; k++) {
    if (left >= kWidth) {
      store_pack(m.outputs[k] + i, results[k]);
    } else {
#pragma unroll
      for (int e = 0; e < kWidth; e++) {
        if (e < left) m.outputs[k][i + e] = results[k].v[e];
      }
    }
  }
}

// Row reduction: a warp, or the block (kTeam), a slice of a row.
template <typename Chain, int kTeam>
__global__ void __launch_bounds__(kMapThreads) map_rows(const MapLaunch m, const Chain chain) {
  const int64_t part = static_cast<int64_t>(blockIdx.x) * (kMapThreads / kTeam) + threadIdx.x / kTeam;
  const int64_t row = part / m.slices;
  if (row * m.length >= m.size) return;
  const int64_t begin = part % m.slices * m.slice_length;
  const int64_t end = min(begin + m.slice_length, m.length);
  float sum = 0.f;
  for (int64_t j = begin + threadIdx.x % kTeam; j < end; j += kTeam) {
    const int64_t i = row * m.length + j;
    float in[kMapInputs], out[kMapOutputs];
    load_inputs<Chain::kInputs>(m, i, in);
    chain(in, out);
    sum += out[0];
    store_outputs<1, Chain::kOutputs>(m, i, out);
  }
  if constexpr (kTeam == kWarp) {
    sum = warp_reduce(sum, Sum{});
  } else {
    sum = block_sum<kTeam>(sum);
  }
  if (threadIdx.x % kTeam == 0) m.sums[part] = m.scale * sum;
}

}  // namespace gradstep::cuda
