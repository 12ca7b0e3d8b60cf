// dropout on the CPU: the mask of ops/dropout.h, sixteen Philox counters side by side.
#include "ops/dropout.h"

#include <type_traits>

#include "cpu/bfloat16.h"
#include "cpu/prepare.h"
#include "cpu/random_block.h"
#include "generated/args/dropout.h"

namespace gradstep::cpu {
namespace {

template <typename From, typename To>
struct Drop {
  const From* x;
  To* y;  // may be x
  const int32_t* state;
  int64_t size;
  DropRule rule;
  uint32_t stream;
};

// Blocks of 64 elements, numbered [begin, end).
template <typename From, typename To>
GRADSTEP_VECTORISED void drop_blocks(const Drop<From, To>& d, int64_t begin, int64_t end) {
  const DropRule rule = d.rule;
  for (int64_t block = begin; block < end; block++) {
    uint32_t words[kRandomBlock];
    word_block(words, block, d.state, d.stream);
    const From* x = d.x + block * kRandomBlock;
    To* y = d.y + block * kRandomBlock;
    const int64_t length = block_length(block, d.size);
    float results[kRandomBlock];
    float* to = results;
    if constexpr (std::is_same_v<To, float>) to = y;
    if (length == kRandomBlock) {
#pragma GCC ivdep
      for (int i = 0; i < kRandomBlock; i++) to[i] = dropout_element(widened(x[i]), keeps(words[i], rule), rule);
    } else {
      for (int64_t i = 0; i < length; i++) to[i] = dropout_element(widened(x[i]), keeps(words[i], rule), rule);
    }
    if constexpr (!std::is_same_v<To, float>) to_bfloat16(y, results, length);
  }
}

template <typename From, typename To>
Step drop_step(Prepare& prepare, const DropoutArgs& args) {
  const Drop<From, To> d{prepare.at<From>(args.x),
                         prepare.at<To>(args.y),
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

}  // namespace

Step dropout(Prepare& prepare, const DropoutArgs& args) {
  return as_stored(args.x.dtype, [&](auto x) {
    return as_stored(args.y.dtype, [&](auto y) { return drop_step<decltype(x), decltype(y)>(prepare, args); });
  });
}

}  // namespace gradstep::cpu
