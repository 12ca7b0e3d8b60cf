// clip_by_value on CUDA: one pass, four elements a thread at a time.
#include <algorithm>

#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/vec.h"
#include "generated/args/clip_by_value.h"
#include "ops/clip_by_value.h"

namespace gradstep::cuda {
namespace {

__global__ void __launch_bounds__(kThreads) clip_by_value_kernel(ClipByValue clip, float* g, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 4;
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 4; at < n; at += stride) {
    if (at + 4 > n) {
      for (int64_t i = at; i < n; i++) g[i] = clip(g[i]);
      return;
    }
    const float4 v = load4(g + at);
    store4(g + at, make_float4(clip(v.x), clip(v.y), clip(v.z), clip(v.w)));
  }
}

}  // namespace

Step clip_by_value(Prepare& prepare, const ClipByValueArgs& args) {
  float* g = prepare.at(args.grads);
  const int64_t n = args.grads.size();
  const int64_t most = static_cast<int64_t>(prepare.multiprocessors()) * 8;
  const dim3 grid = blocks_for(std::min((n + kThreads * 4 - 1) / (kThreads * 4), most), 1);
  return [=, clip = ClipByValue{args.limit}](cudaStream_t stream) {
    launch(stream, clip_by_value_kernel, grid, dim3(kThreads), clip, g, n);
  };
}

}  // namespace gradstep::cuda
