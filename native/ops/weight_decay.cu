// weight_decay on CUDA: one pass, four elements a thread at a time; rate and flag are read from device memory.
#include <algorithm>

#include "core/state.h"
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/vec.h"
#include "generated/args/weight_decay.h"

namespace gradstep::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    weight_decay_kernel(float* w, const float* rate, const int32_t* flag, float decay, int64_t n) {
  if (flag[0] != kFlagNone) return;
  const float part = *rate * decay;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 4;
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 4; at < n; at += stride) {
    if (at + 4 > n) {
      for (int64_t i = at; i < n; i++) w[i] -= part * w[i];
      return;
    }
    const float4 v = load4(w + at);
    store4(w + at, make_float4(v.x - part * v.x, v.y - part * v.y, v.z - part * v.z, v.w - part * v.w));
  }
}

}  // namespace

Step weight_decay(Prepare& prepare, const WeightDecayArgs& args) {
  float* w = prepare.at(args.params);
  const float* rate = prepare.at(args.learning_rate);
  const int32_t* flag = prepare.at<int32_t>(args.flag);
  const int64_t n = args.params.size();
  const int64_t most = static_cast<int64_t>(prepare.multiprocessors()) * 8;
  const dim3 grid = blocks_for(std::min((n + kThreads * 4 - 1) / (kThreads * 4), most), 1);
  return [=, decay = args.decay](cudaStream_t stream) {
    launch(stream, weight_decay_kernel, grid, dim3(kThreads), w, rate, flag, decay, n);
  };
}

}  // namespace gradstep::cuda
