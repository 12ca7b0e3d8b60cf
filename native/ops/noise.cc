// noise on the CPU: the numbers of a block are drawn and used up while they are in the first-level cache, where what is
// stored in bfloat16 is widened and rounded, too.
#include "ops/noise.h"

#include "cpu/prepare.h"
#include "cpu/random_block.h"
#include "cpu/stored_window.h"
#include "generated/args/noise.h"

namespace gradstep::cpu {
namespace {

struct Noise {
  Stored x, y;  // y may be x
  const int32_t* state;
  int64_t size;
  float stddev;
  uint32_t stream;
};

template <bool kMultiply>
GRADSTEP_INLINE void disturb(const Noise& n, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; block++) {
    float z[kRandomBlock];
    normal_block(z, block, n.state, n.stream);
    const int64_t length = block_length(block, n.size);
    const Piece piece{block * kRandomBlock, 1, length, length};
    float given[kRandomBlock], made[kRandomBlock];
    const float* x = load_piece(given, n.x, piece);
    float* y = place_piece(made, n.y, piece);
#pragma GCC ivdep
    for (int64_t i = 0; i < length; i++) y[i] = noise_element<kMultiply>(x[i], z[i], n.stddev);
    store_piece(made, n.y, piece);
  }
}

// Blocks of 64 elements, numbered [begin, end).
GRADSTEP_VECTORISED void add_noise(const Noise& n, int64_t begin, int64_t end) { disturb<false>(n, begin, end); }
GRADSTEP_VECTORISED void multiply_noise(const Noise& n, int64_t begin, int64_t end) { disturb<true>(n, begin, end); }

}  // namespace

Step noise(Prepare& prepare, const NoiseArgs& args) {
  const Noise n{stored(prepare, args.x),
                stored(prepare, args.y),
                prepare.at<int32_t>(args.state),
                args.x.size(),
                args.stddev,
                args.stream};
  const auto blocks = args.kind == NoiseArgs::kKindMultiply ? multiply_noise : add_noise;
  const int parts = parts_of(n.size, prepare.threads());
  return [n, blocks, parts] {
    parallel_ranges(random_blocks(n.size), parts, 1, [&](int, int64_t begin, int64_t end) { blocks(n, begin, end); });
  };
}

}  // namespace gradstep::cpu
