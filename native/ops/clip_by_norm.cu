// clip_by_norm on CUDA, in three launches. Each warp has a stretch of the block and leaves the sum of squares of every
// tensor it meets there; a block for each tensor adds these up; the warps scale what is too long. Stretch u and tensor
// s meet at most once, and along the block one of them goes up from each meeting to the next, so u + s numbers the
// sums.
#include <algorithm>

#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/vec.h"
#include "generated/args/clip_by_norm.h"
#include "ops/clip_by_norm.h"

namespace gradstep::cuda {
namespace {

struct Stretches {
  ClippedBlock block;
  int64_t length;  // of a stretch, a multiple of 4 * kWarp
  int64_t count;
};

__device__ inline double squares(const float* g, int64_t begin, int64_t end) {
  double sum = 0;
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x % kWarp * 4; i < end; i += 4 * kWarp) {
    if (i + 4 > end) {
      for (int64_t j = i; j < end; j++) sum += static_cast<double>(g[j]) * g[j];
    } else {
      const float4 v = load4(g + i);
      sum += (static_cast<double>(v.x) * v.x + static_cast<double>(v.y) * v.y) +
             (static_cast<double>(v.z) * v.z + static_cast<double>(v.w) * v.w);
    }
  }
  return warp_reduce(sum, Sum{});
}

// Zeros stay: nothing would ever clear gaps between tensors of a factor that is NaN.
__device__ inline float scaled(float g, float factor) { return g == 0.f ? g : g * factor; }

__device__ inline void scale(float* g, int64_t begin, int64_t end, float factor) {
  for (int64_t i = begin + threadIdx.x % kWarp * 4; i < end; i += 4 * kWarp) {
    if (i + 4 > end) {
      for (int64_t j = i; j < end; j++) g[j] = scaled(g[j], factor);
    } else {
      const float4 v = load4(g + i);
      store4(g + i, make_float4(scaled(v.x, factor), scaled(v.y, factor), scaled(v.z, factor), scaled(v.w, factor)));
    }
  }
}

__global__ void __launch_bounds__(kThreads) squares_kernel(Stretches s, double* partial) {
  const int64_t stretch = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (stretch >= s.count) return;
  int64_t at = stretch * s.length;
  const int64_t end = min(at + s.length, s.block.size);
  for (int32_t tensor = s.block.tensor_at(at); at < end; tensor++) {
    const int64_t stop = min(end, s.block.begin(tensor + 1));
    const double sum = squares(s.block.grads, at, stop);
    if (threadIdx.x % kWarp == 0) partial[stretch + tensor] = sum;
    at = stop;
  }
}

// A block for each tensor.
__global__ void __launch_bounds__(kThreads)
    norms_kernel(Stretches s, const double* partial, float* norms, float* factors) {
  const int32_t tensor = blockIdx.x;
  const int64_t first = s.block.begin(tensor) / s.length;
  const int64_t last = (s.block.begin(tensor + 1) - 1) / s.length;
  double sum = 0;
  for (int64_t u = first + threadIdx.x; u <= last; u += kThreads) sum += partial[u + tensor];
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x != 0) return;
  const double norm = sqrt(sum);
  norms[tensor] = static_cast<float>(norm);
  factors[tensor] = s.block.factor(norm);
}

__global__ void __launch_bounds__(kThreads) scale_kernel(Stretches s, const float* factors) {
  const int64_t stretch = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (stretch >= s.count) return;
  int64_t at = stretch * s.length;
  const int64_t end = min(at + s.length, s.block.size);
  for (int32_t tensor = s.block.tensor_at(at); at < end; tensor++) {
    const int64_t stop = min(end, s.block.begin(tensor + 1));
    const float factor = factors[tensor];
    if (factor != 1.f) scale(s.block.grads, at, stop, factor);
    at = stop;
  }
}

// Enough stretches to fill the device, and no more sums than that takes.
int64_t stretch_length(int64_t size, int multiprocessors) {
  constexpr int64_t kShortest = 8 * 4 * kWarp, kLongest = 64 * 4 * kWarp;
  const int64_t wanted = size / (static_cast<int64_t>(multiprocessors) * 64);
  int64_t length = kShortest;
  while (length < wanted && length < kLongest) length *= 2;
  return length;
}

}  // namespace

Step clip_by_norm(Prepare& prepare, const ClipByNormArgs& args) {
  const int32_t tensors = args.begins.present() ? static_cast<int32_t>(args.begins.size()) : 1;
  const ClippedBlock block{prepare.at(args.grads), prepare.at<int32_t>(args.begins), args.grads.size(), tensors,
                           args.limit};
  const int64_t length = stretch_length(block.size, prepare.multiprocessors());
  const Stretches stretches{block, length, (block.size + length - 1) / length};
  const size_t sums = static_cast<size_t>(stretches.count + tensors) * sizeof(double);
  const Workspace workspace = prepare.workspace(sums + tensors * sizeof(float));
  const dim3 grid = blocks_for(stretches.count, kWarps);
  float* norms = prepare.at(args.norms);
  return [=](cudaStream_t stream) {
    double* partial = static_cast<double*>(workspace.data());
    float* factors = reinterpret_cast<float*>(static_cast<char*>(workspace.data()) + sums);
    launch_cooperating(stream, squares_kernel, grid, dim3(kThreads), 0, stretches, partial);
    launch_cooperating(stream, norms_kernel, dim3(tensors), dim3(kThreads), 0, stretches, partial, norms, factors);
    launch(stream, scale_kernel, grid, dim3(kThreads), stretches, factors);
  };
}

}  // namespace gradstep::cuda
