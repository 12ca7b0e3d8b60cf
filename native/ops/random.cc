// random on the CPU: tensors of uniform or normal numbers, sixteen Philox counters side by side.
#include "ops/random.h"

#include "cpu/prepare.h"
#include "cpu/random_block.h"
#include "generated/args/random.h"

namespace gradstep::cpu {
namespace {

struct Random {
  float* y;
  const int32_t* state;
  int64_t size;
  float offset, scale;
  uint32_t stream;
};

GRADSTEP_INLINE void put(const Random& r, int64_t block, const float* numbers) {
  float* y = r.y + block * kRandomBlock;
  const int64_t length = block_length(block, r.size);
  for (int64_t i = 0; i < length; i++) y[i] = r.offset + r.scale * numbers[i];
}

// Blocks of 64 elements, numbered [begin, end).
GRADSTEP_VECTORISED void uniform_blocks(const Random& r, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; block++) {
    float numbers[kRandomBlock];
    uniform_block(numbers, block, r.state, r.stream);
    put(r, block, numbers);
  }
}

GRADSTEP_VECTORISED void normal_blocks(const Random& r, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; block++) {
    float numbers[kRandomBlock];
    normal_block(numbers, block, r.state, r.stream);
    put(r, block, numbers);
  }
}

}  // namespace

Step random(Prepare& prepare, const RandomArgs& args) {
  const Random r{prepare.at(args.y), prepare.at<int32_t>(args.state), args.y.size(), args.offset, args.scale,
                 args.stream};
  const auto blocks = args.distribution == RandomArgs::kDistributionNormal ? normal_blocks : uniform_blocks;
  const int parts = parts_of(r.size, prepare.threads());
  return [r, blocks, parts] {
    parallel_ranges(random_blocks(r.size), parts, 1, [&](int, int64_t begin, int64_t end) { blocks(r, begin, end); });
  };
}

}  // namespace gradstep::cpu
