// dropout on CUDA: a thread draws four words and decides about four elements, 16 apart, so that a half-warp's reads and
// writes are whole 64-byte pieces. The mask is never stored.
#include "cuda/prepare.h"
#include "generated/args/dropout.h"
#include "ops/dropout.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 256;

// y may be x.
__global__ void __launch_bounds__(kThreads) dropout_kernel(const float* x, const int32_t* state, float* y, int64_t n,
                                                           float rate, float scale, uint32_t stream) {
  const int64_t draw = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t first = draw / kDropoutLanes * kDropoutBlock + draw % kDropoutLanes;
  if (first >= n) return;
  const Philox4 words = dropout_words(static_cast<uint64_t>(draw), state, stream);
#pragma unroll
  for (int j = 0; j < kDropoutWords; j++) {
    const int64_t i = first + j * kDropoutLanes;
    if (i < n) y[i] = dropout_element(x[i], words.w[j], rate, scale);
  }
}

}  // namespace

Step dropout(Prepare& prepare, const DropoutArgs& args) {
  const float* x = prepare.at(args.x);
  const int32_t* state = prepare.at<int32_t>(args.state);
  float* y = prepare.at(args.y);
  const int64_t n = args.x.size();
  const float rate = args.rate, scale = 1.f / (1.f - args.rate);
  const uint32_t random_stream = args.stream;
  const dim3 grid = blocks_for((n + kDropoutBlock - 1) / kDropoutBlock * kDropoutLanes, kThreads);
  return [=](cudaStream_t stream) {
    launch(stream, dropout_kernel, grid, dim3(kThreads), x, state, y, n, rate, scale, random_stream);
  };
}

}  // namespace gradstep::cuda
