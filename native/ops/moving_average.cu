// moving_average on CUDA: one pass, four elements a thread at a time; the flag is read from device memory.
#include <algorithm>

#include "core/state.h"
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/vec.h"
#include "generated/args/moving_average.h"
#include "ops/moving_average.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    moving_average_kernel(MovingAverage move, float* average, const float* value, const int32_t* flag, int64_t n) {
  if (flag[0] != kFlagNone) return;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 4;
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 4; at < n; at += stride) {
    if (at + 4 > n) {
      for (int64_t i = at; i < n; i++) average[i] = move(average[i], value[i]);
      return;
    }
    const float4 a = load4(average + at);
    const float4 v = load4(value + at);
    store4(average + at, make_float4(move(a.x, v.x), move(a.y, v.y), move(a.z, v.z), move(a.w, v.w)));
  }
}

}  // namespace

Step moving_average(Prepare& prepare, const MovingAverageArgs& args) {
  const MovingAverage move{args.momentum, args.rate};
  float* average = prepare.at(args.average);
  const float* value = prepare.at(args.value);
  const int32_t* flag = prepare.at<int32_t>(args.flag);
  const int64_t n = args.average.size();
  const int64_t most = static_cast<int64_t>(prepare.multiprocessors()) * 8;
  const dim3 grid = blocks_for(std::min((n + kThreads * 4 - 1) / (kThreads * 4), most), 1);
  return [=](cudaStream_t stream) {
    launch(stream, moving_average_kernel, grid, dim3(kThreads), move, average, value, flag, n);
  };
}

}  // namespace gradstep::cuda
