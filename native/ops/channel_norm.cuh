// What channel_norm and its gradient share on CUDA: the parameters of a pack of columns, as one thread holds them.
#pragma once

#include "cuda/pack.h"
#include "cuda/stored.h"
#include "ops/channel_norm.h"
#include "ops/column_sums.cuh"

namespace gradstep::cuda {

constexpr int kRowsSummed = 64;   // rows a thread adds up
constexpr int kRowsWritten = 16;  // rows a thread writes

struct NormParameters {
  NormShape shape;
  const float *mean, *variance;  // [samples, groups]
  const float *gamma, *beta;     // [channels], or null
  float epsilon;

  __device__ int64_t group(int64_t sample, int64_t channel) const {
    return sample * shape.groups + channel / shape.per_group();
  }
  __device__ float weight(int64_t channel) const { return gamma ? gamma[channel] : 1.f; }
  __device__ float rstd(int64_t group) const { return norm_rstd(variance[group], epsilon); }
  __device__ NormForward forward(int64_t sample, int64_t channel) const {
    const int64_t g = group(sample, channel);
    return {mean[g], weight(channel) * rstd(g), beta ? beta[channel] : 0.f};
  }
};

// Where a pack begins. As so many whole packs, because where nvcc does not see that an address divides by 16, it may
// store the pack's elements one by one.
template <int kPack>
__device__ inline int64_t pack_at(int64_t row, int64_t channels, int64_t column) {
  return (row * (channels / kPack) + column / kPack) * kPack;
}

template <int kPack>
struct NormColumns {
  NormForward channel[kPack];

  __device__ NormColumns(const NormParameters& p, int64_t sample, int64_t column) {
#pragma unroll
    for (int k = 0; k < kPack; k++) channel[k] = p.forward(sample, column + k);
  }
};

}  // namespace gradstep::cuda
