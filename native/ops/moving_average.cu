// moving_average on CUDA: one pass over all pairs of tensors, a row of blocks each, four elements a thread at a time;
// the flag is read from device memory.
#include <algorithm>

#include "core/state.h"
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/vec.h"
#include "generated/args/moving_average.h"
#include "ops/moving_average.h"

namespace gradstep::cuda {
namespace {

struct AveragePairs {
  float* average[kAverages];
  const float* value[kAverages];
  int64_t size[kAverages];
};

__global__ void __launch_bounds__(kThreads)
    moving_average_kernel(MovingAverage move, AveragePairs pairs, const int32_t* flag) {
  if (flag[0] != kFlagNone) return;
  float* const average = pairs.average[blockIdx.y];
  const float* const value = pairs.value[blockIdx.y];
  const int64_t n = pairs.size[blockIdx.y];
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
  const int32_t* flag = prepare.at<int32_t>(args.flag);
  AveragePairs pairs{};
  unsigned count = 0;
  int64_t largest = 0;
  for (const AveragePair& pair : average_pairs(args)) {
    pairs.average[count] = prepare.at(pair.average);
    pairs.value[count] = prepare.at(pair.value);
    pairs.size[count] = pair.average.size();
    largest = std::max(largest, pairs.size[count]);
    count++;
  }
  if (count == 0) return [](cudaStream_t) {};
  const int64_t most = static_cast<int64_t>(prepare.multiprocessors()) * 8;
  dim3 grid = blocks_for(std::min((largest + kThreads * 4 - 1) / (kThreads * 4), most), 1);
  grid.y = count;
  return [=](cudaStream_t stream) { launch(stream, moving_average_kernel, grid, dim3(kThreads), move, pairs, flag); };
}

}  // namespace gradstep::cuda
