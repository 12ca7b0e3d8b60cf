// dropout on CUDA: a thread draws four words, each for one of four rows of 16 elements (ops/random.h); what they decide
// is exchanged within half a warp, so that a thread reads and writes four elements in a row. The mask is never stored.
#include "cuda/numbers.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/dropout.h"
#include "ops/dropout.h"
#include "ops/random.cuh"

namespace gradstep::cuda {
namespace {

// y may be x.
__global__ void __launch_bounds__(kRandomThreads)
    dropout_kernel(NumbersIn x, const int32_t* state, NumbersOut y, int64_t n, DropRule rule, uint32_t stream) {
  const RandomPlace at;
  const Philox4 words = random_words(at.draw, state, stream);
  // Of a block of 64 elements lane l takes 4 l …: they are in row l / 4, decided by word l / 4 of four lanes of its
  // half.
  const unsigned lane = threadIdx.x % 32, row = lane % kRandomLanes / 4;
  unsigned kept = 0;
#pragma unroll
  for (unsigned j = 0; j < kRandomWords; j++) {
    const unsigned decided = __ballot_sync(kAllLanes, keeps(words.w[j], rule));
    if (row == j) kept = decided >> (lane / kRandomLanes * kRandomLanes + lane % 4 * 4);
  }
  const int64_t first = static_cast<int64_t>(at.draw) * kRandomWords;
  if (first + 4 <= n) {
    auto v = x.load<4>(first);
#pragma unroll
    for (int k = 0; k < 4; k++) v.v[k] = dropout_element(v.v[k], kept >> k & 1, rule);
    y.store(first, v);
    return;
  }
  for (int64_t i = first; i < n; i++) {
    auto v = x.load<1>(i);
    v.v[0] = dropout_element(v.v[0], kept >> (i - first) & 1, rule);
    y.store(i, v);
  }
}

}  // namespace

Step dropout(Prepare& prepare, const DropoutArgs& args) {
  const NumbersIn x{prepare.at<char>(args.x), args.x.dtype == DType::kBfloat16};
  const int32_t* state = prepare.at<int32_t>(args.state);
  const NumbersOut y{prepare.at<char>(args.y), args.y.dtype == DType::kBfloat16};
  const int64_t n = args.x.size();
  const DropRule rule{args.rate, args.factor, args.offset, args.dropped};
  const uint32_t random_stream = args.stream;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, dropout_kernel, random_grid(n), dim3(kRandomThreads), 0, x, state, y, n, rule,
                       random_stream);
  };
}

}  // namespace gradstep::cuda
