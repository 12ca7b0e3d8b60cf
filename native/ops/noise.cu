// noise on CUDA: a thread draws four normal numbers and uses them at once; they are never stored.
#include "cuda/prepare.h"
#include "cuda/stored.h"
#include "generated/args/noise.h"
#include "ops/noise.h"
#include "ops/random.cuh"

namespace gradstep::cuda {
namespace {

// y may be x.
template <bool kMultiply>
__global__ void __launch_bounds__(kRandomThreads)
    noise_kernel(Stored x, const int32_t* state, Stored y, int64_t n, float stddev, uint32_t stream) {
  const RandomPlace at;
  if (at.first >= n) return;
  const Normal4 z = normal_numbers(random_words(at.draw, state, stream));
#pragma unroll
  for (int j = 0; j < kRandomWords; j++) {
    const int64_t i = at.first + j * kRandomLanes;
    if (i >= n) continue;
    Pack<float, 1> v = load_wide<1>(x + i);
    v.v[0] = noise_element<kMultiply>(v.v[0], z.v[j], stddev);
    store_narrow(y + i, v);
  }
}

}  // namespace

Step noise(Prepare& prepare, const NoiseArgs& args) {
  const Stored x = stored(prepare, args.x);
  const int32_t* state = prepare.at<int32_t>(args.state);
  const Stored y = stored(prepare, args.y);
  const int64_t n = args.x.size();
  const float stddev = args.stddev;
  const uint32_t random_stream = args.stream;
  const auto kernel = args.kind == NoiseArgs::kKindMultiply ? noise_kernel<true> : noise_kernel<false>;
  return [=](cudaStream_t stream) {
    launch(stream, kernel, random_grid(n), dim3(kRandomThreads), x, state, y, n, stddev, random_stream);
  };
}

}  // namespace gradstep::cuda
