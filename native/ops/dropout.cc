// dropout on the CPU: the mask of ops/dropout.h, sixteen Philox counters side by side.
#include "ops/dropout.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/args/dropout.h"

namespace gradstep::cpu {
namespace {

// Whole blocks of 64 elements, numbered [begin, end).
GRADSTEP_VECTORISED void drop_blocks(float* y, const float* x, const int32_t* state, uint32_t stream, float rate,
                                     float scale, int64_t begin, int64_t end) {
  for (int64_t b = begin; b < end; b++) {
    uint32_t words[kDropoutWords][kDropoutLanes];
    for (int l = 0; l < kDropoutLanes; l++) {
      const Philox4 w = dropout_words(static_cast<uint64_t>(b) * kDropoutLanes + l, state, stream);
      for (int j = 0; j < kDropoutWords; j++) words[j][l] = w.w[j];
    }
    const int64_t at = b * kDropoutBlock;
    const uint32_t* word = &words[0][0];
#pragma GCC ivdep
    for (int i = 0; i < kDropoutBlock; i++) y[at + i] = dropout_element(x[at + i], word[i], rate, scale);
  }
}

// The elements after the last whole block.
void drop_tail(float* y, const float* x, const int32_t* state, uint32_t stream, float rate, float scale, int64_t size) {
  const int64_t block = size / kDropoutBlock;
  for (int64_t i = block * kDropoutBlock; i < size; i++) {
    const int64_t in_block = i - block * kDropoutBlock;
    const uint64_t draw = static_cast<uint64_t>(block) * kDropoutLanes + in_block % kDropoutLanes;
    y[i] = dropout_element(x[i], dropout_words(draw, state, stream).w[in_block / kDropoutLanes], rate, scale);
  }
}

}  // namespace

Step dropout(Prepare& prepare, const DropoutArgs& args) {
  const int64_t size = args.x.size();
  const int parts = parts_of(size, prepare.threads());
  const float rate = args.rate, scale = rate < 1.f ? 1.f / (1.f - rate) : 0.f;
  return [size, parts, rate, scale, stream = args.stream, x = prepare.at(args.x), y = prepare.at(args.y),
          state = prepare.at<int32_t>(args.state)] {
    parallel_ranges(size / kDropoutBlock, parts, 1, [&](int, int64_t begin, int64_t end) {
      drop_blocks(y, x, state, stream, rate, scale, begin, end);
    });
    drop_tail(y, x, state, stream, rate, scale, size);
  };
}

}  // namespace gradstep::cpu
