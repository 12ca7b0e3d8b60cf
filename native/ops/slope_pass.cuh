// The pass behind a product on CUDA that multiplies it by an activation's slope and sums its columns: their parts, one
// a slice of the rows, are added by reduce_sum's kernel. A Slope says by what an element is multiplied:
//   float operator()(float y, int64_t row, int64_t column)   y times the slope there
#pragma once

#include <algorithm>
#include <functional>

#include "cuda/prepare.h"
#include "ops/reduce_sum.cuh"

namespace gradstep::cuda {

constexpr int kSlopeColumns = 32, kSlopeRows = 8;  // of a block's threads

struct SlopePass {
  int64_t m, n;
  int64_t tiles;                 // blocks along n
  int64_t slices, slice_length;  // along m
};

inline SlopePass cut_slope_pass(int64_t m, int64_t n, int multiprocessors) {
  constexpr int64_t kShortest = 16;  // rows that a thread has at least, where there are as many
  const int64_t tiles = (n + kSlopeColumns - 1) / kSlopeColumns;
  const int64_t most = (m + kSlopeRows * kShortest - 1) / (kSlopeRows * kShortest);
  const int64_t wanted = std::min(most, (4 * multiprocessors + tiles - 1) / tiles);
  const int64_t length = (m + wanted - 1) / wanted;
  return {m, n, tiles, (m + length - 1) / length, length};
}

// y [m, n] times the slope; sums [slices, n], where wanted, of the result.
template <typename Slope>
__global__ void __launch_bounds__(kSlopeColumns* kSlopeRows)
    slope_kernel(SlopePass p, float* y, Slope slope, float* sums) {
  __shared__ float partial[kSlopeRows][kSlopeColumns];
  const int32_t column = threadIdx.x % kSlopeColumns, row = threadIdx.x / kSlopeColumns;
  const int64_t slice = blockIdx.x / p.tiles;
  const int64_t c = blockIdx.x % p.tiles * kSlopeColumns + column;
  const int64_t end = min((slice + 1) * p.slice_length, p.m);
  float sum = 0.f;
  if (c < p.n) {
    for (int64_t r = slice * p.slice_length + row; r < end; r += kSlopeRows) {
      const int64_t at = r * p.n + c;
      const float left = slope(y[at], r, c);
      y[at] = left;
      sum += left;
    }
  }
  if (sums == nullptr) return;
  partial[row][column] = sum;
  for (int32_t half = kSlopeRows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) partial[row][column] += partial[row + half][column];
  }
  if (row == 0 && c < p.n) sums[slice * p.n + c] = partial[0][column];
}

// Launches the pass; sums [n] is null exactly where that was planned.
template <typename Slope>
using SlopeRun = std::function<void(cudaStream_t, float* y, const Slope& slope, float* sums)>;

// It may use the step's workspace from byte `workspace_offset` on.
template <typename Slope>
SlopeRun<Slope> plan_slope_run(Prepare& prepare, int64_t m, int64_t n, bool sums, size_t workspace_offset = 0) {
  const SlopePass pass = cut_slope_pass(m, n, prepare.multiprocessors());
  const auto launch_pass = [=](cudaStream_t stream, float* y, const Slope& slope, float* to) {
    launch_cooperating(stream, slope_kernel<Slope>, blocks_for(pass.tiles * pass.slices, 1),
                       dim3(kSlopeColumns * kSlopeRows), 0, pass, y, slope, to);
  };
  if (!sums || pass.slices == 1) return launch_pass;
  const size_t bytes = static_cast<size_t>(pass.slices * n) * sizeof(float);
  const Workspace workspace = prepare.workspace(workspace_offset + bytes);
  const SumRun add = plan_sum(prepare, {1, pass.slices, n, 1.f, false}, workspace_offset + bytes);
  return [=](cudaStream_t stream, float* y, const Slope& slope, float* to) {
    float* partial = reinterpret_cast<float*>(static_cast<char*>(workspace.data()) + workspace_offset);
    launch_pass(stream, y, slope, partial);
    add(stream, partial, to);
  };
}

// The same with addresses that are known by now; `sums` may be null.
template <typename Slope>
Step plan_slope_pass(Prepare& prepare, int64_t m, int64_t n, float* y, const Slope& slope, float* sums) {
  return [=, run = plan_slope_run<Slope>(prepare, m, n, sums != nullptr)](cudaStream_t stream) {
    run(stream, y, slope, sums);
  };
}

}  // namespace gradstep::cuda
