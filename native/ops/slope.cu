// The pass by which a gradient goes back through an activation (slope.cuh): parts of the columns' sums, one a slice of
// the rows, are added by reduce_sum's kernel.
#include <algorithm>

#include "ops/reduce_sum.cuh"
#include "ops/slope.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kColumns = 32, kRows = 8;  // of a block's threads
constexpr int64_t kShortest = 16;        // rows that a thread has at least, where there are as many

struct SlopePass {
  Activation kind;
  int64_t m, n;
  int64_t tiles;                 // blocks along n
  int64_t slices, slice_length;  // along m
};

SlopePass plan_pass(Activation kind, int64_t m, int64_t n, int multiprocessors) {
  const int64_t tiles = (n + kColumns - 1) / kColumns;
  const int64_t most = (m + kRows * kShortest - 1) / (kRows * kShortest);
  const int64_t wanted = std::min(most, (4 * multiprocessors + tiles - 1) / tiles);
  const int64_t length = (m + wanted - 1) / wanted;
  return {kind, m, n, tiles, (m + length - 1) / length, length};
}

__device__ inline float behind(Activation kind, float d, float y) {
  if (kind == Activation::kRelu) return y > 0.f ? d : 0.f;
  return d * slope(kind, y);
}

// sums [slices, n]; or null.
__global__ void __launch_bounds__(kColumns* kRows) slope_kernel(SlopePass p, float* d, const float* y, float* sums) {
  __shared__ float partial[kRows][kColumns];
  const int32_t column = threadIdx.x % kColumns, row = threadIdx.x / kColumns;
  const int64_t slice = blockIdx.x / p.tiles;
  const int64_t c = blockIdx.x % p.tiles * kColumns + column;
  const int64_t end = min((slice + 1) * p.slice_length, p.m);
  float sum = 0.f;
  if (c < p.n) {
    for (int64_t r = slice * p.slice_length + row; r < end; r += kRows) {
      const int64_t at = r * p.n + c;
      const float left = behind(p.kind, d[at], y[at]);
      d[at] = left;
      sum += left;
    }
  }
  if (sums == nullptr) return;
  partial[row][column] = sum;
  for (int32_t half = kRows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) partial[row][column] += partial[row + half][column];
  }
  if (row == 0 && c < p.n) sums[slice * p.n + c] = partial[0][column];
}

}  // namespace

SlopeRun plan_slope(Prepare& prepare, Activation kind, int64_t m, int64_t n, bool sums, size_t workspace_offset) {
  const SlopePass pass = plan_pass(kind, m, n, prepare.multiprocessors());
  const auto launch_pass = [=](cudaStream_t stream, float* d, const float* y, float* to) {
    launch_cooperating(stream, slope_kernel, blocks_for(pass.tiles * pass.slices, 1), dim3(kColumns * kRows), 0, pass,
                       d, y, to);
  };
  if (!sums || pass.slices == 1) return launch_pass;
  const size_t bytes = static_cast<size_t>(pass.slices * n) * sizeof(float);
  const Workspace workspace = prepare.workspace(workspace_offset + bytes);
  const SumRun add = plan_sum(prepare, {1, pass.slices, n, 1.f, false}, workspace_offset + bytes);
  return [=](cudaStream_t stream, float* d, const float* y, float* to) {
    float* partial = reinterpret_cast<float*>(static_cast<char*>(workspace.data()) + workspace_offset);
    launch_pass(stream, d, y, partial);
    add(stream, partial, to);
  };
}

}  // namespace gradstep::cuda
