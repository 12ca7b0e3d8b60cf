// random on CUDA: tensors of uniform or normal numbers, four to a thread.
#include "cuda/prepare.h"
#include "generated/args/random.h"
#include "ops/random.cuh"

namespace gradstep::cuda {
namespace {

template <bool kNormal>
__global__ void __launch_bounds__(kRandomThreads)
    random_kernel(const int32_t* state, float* y, int64_t n, float offset, float scale, uint32_t stream) {
  const RandomPlace at;
  if (at.first >= n) return;
  const Philox4 words = random_words(at.draw, state, stream);
  Normal4 normal{};
  if constexpr (kNormal) normal = normal_numbers(words);
#pragma unroll
  for (int j = 0; j < kRandomWords; j++) {
    const int64_t i = at.first + j * kRandomLanes;
    if (i < n) y[i] = offset + scale * (kNormal ? normal.v[j] : unit_number(words.w[j]));
  }
}

}  // namespace

Step random(Prepare& prepare, const RandomArgs& args) {
  const int32_t* state = prepare.at<int32_t>(args.state);
  float* y = prepare.at(args.y);
  const int64_t n = args.y.size();
  const float offset = args.offset, scale = args.scale;
  const uint32_t random_stream = args.stream;
  const auto kernel = args.distribution == RandomArgs::kDistributionNormal ? random_kernel<true> : random_kernel<false>;
  return [=](cudaStream_t stream) {
    launch(stream, kernel, random_grid(n), dim3(kRandomThreads), state, y, n, offset, scale, random_stream);
  };
}

}  // namespace gradstep::cuda
