// dropout on CUDA: a thread draws four words and decides about four elements, 16 apart, so that a half-warp's reads and
// writes are whole 64-byte pieces. The mask is never stored.
#include "cuda/prepare.h"
#include "generated/args/dropout.h"
#include "ops/dropout.h"
#include "ops/random.cuh"

namespace gradstep::cuda {
namespace {

// y may be x.
__global__ void __launch_bounds__(kRandomThreads)
    dropout_kernel(const float* x, const int32_t* state, float* y, int64_t n, DropRule rule, uint32_t stream) {
  const RandomPlace at;
  if (at.first >= n) return;
  const Philox4 words = random_words(at.draw, state, stream);
#pragma unroll
  for (int j = 0; j < kRandomWords; j++) {
    const int64_t i = at.first + j * kRandomLanes;
    if (i < n) y[i] = dropout_element(x[i], words.w[j], rule);
  }
}

}  // namespace

Step dropout(Prepare& prepare, const DropoutArgs& args) {
  const float* x = prepare.at(args.x);
  const int32_t* state = prepare.at<int32_t>(args.state);
  float* y = prepare.at(args.y);
  const int64_t n = args.x.size();
  const DropRule rule{args.rate, args.factor, args.offset, args.dropped};
  const uint32_t random_stream = args.stream;
  return [=](cudaStream_t stream) {
    launch(stream, dropout_kernel, random_grid(n), dim3(kRandomThreads), x, state, y, n, rule, random_stream);
  };
}

}  // namespace gradstep::cuda
