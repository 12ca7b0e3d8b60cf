// dropout on the CPU: the mask of ops/dropout.h, sixteen Philox counters side by side.
#include "ops/dropout.h"

#include "cpu/prepare.h"
#include "cpu/random_block.h"
#include "generated/args/dropout.h"

namespace gradstep::cpu {
namespace {

struct Drop {
  const float* x;
  float* y;  // may be x
  const int32_t* state;
  int64_t size;
  DropRule rule;
  uint32_t stream;
};

// Blocks of 64 elements, numbered [begin, end).
GRADSTEP_VECTORISED void drop_blocks(const Drop& d, int64_t begin, int64_t end) {
  const DropRule rule = d.rule;
  for (int64_t block = begin; block < end; block++) {
    uint32_t words[kRandomBlock];
    word_block(words, block, d.state, d.stream);
    const float* x = d.x + block * kRandomBlock;
    float* y = d.y + block * kRandomBlock;
    const int64_t length = block_length(block, d.size);
    if (length == kRandomBlock) {
#pragma GCC ivdep
      for (int i = 0; i < kRandomBlock; i++) y[i] = dropout_element(x[i], words[i], rule);
    } else {
      for (int64_t i = 0; i < length; i++) y[i] = dropout_element(x[i], words[i], rule);
    }
  }
}

}  // namespace

Step dropout(Prepare& prepare, const DropoutArgs& args) {
  const Drop d{prepare.at(args.x),
               prepare.at(args.y),
               prepare.at<int32_t>(args.state),
               args.x.size(),
               {args.rate, args.factor, args.offset, args.dropped},
               args.stream};
  const int parts = parts_of(d.size, prepare.threads());
  return [d, parts] {
    parallel_ranges(random_blocks(d.size), parts, 1,
                    [&](int, int64_t begin, int64_t end) { drop_blocks(d, begin, end); });
  };
}

}  // namespace gradstep::cpu
