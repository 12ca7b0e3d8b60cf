// Random numbers for one block of 64 elements (ops/random.h), in the order of the elements, for loops that use them up
// while they are in the first-level cache. What is made of the words is inlined into callers compiled for several
// instruction sets.
#pragma once

#include "cpu/parallel.h"
#include "ops/random.h"

namespace gradstep::cpu {

// Word j of draws draw, draw + stride … to words[16 j], words[16 j + 1] …, of sixteen draws.
void draw_words(uint32_t* words, uint64_t draw, uint64_t stride, const int32_t* state, uint32_t stream);

inline void word_block(uint32_t* words, int64_t block, const int32_t* state, uint32_t stream) {
  draw_words(words, static_cast<uint64_t>(block) * kRandomLanes, 1, state, stream);
}

GRADSTEP_INLINE void uniform_block(float* u, int64_t block, const int32_t* state, uint32_t stream) {
  uint32_t words[kRandomBlock];
  word_block(words, block, state, stream);
  for (int i = 0; i < kRandomBlock; i++) u[i] = unit_number(words[i]);
}

GRADSTEP_INLINE void normal_block(float* z, int64_t block, const int32_t* state, uint32_t stream) {
  uint32_t words[kRandomBlock];
  word_block(words, block, state, stream);
  for (int half = 0; half < kRandomBlock; half += 2 * kRandomLanes) {
    for (int l = half; l < half + kRandomLanes; l++) {
      const NormalPair pair = normal_pair(words[l], words[l + kRandomLanes]);
      z[l] = pair.a;
      z[l + kRandomLanes] = pair.b;
    }
  }
}

inline int64_t random_blocks(int64_t size) { return (size + kRandomBlock - 1) / kRandomBlock; }

// Elements of a block: 64, fewer in the last.
inline int64_t block_length(int64_t block, int64_t size) {
  return std::min<int64_t>(kRandomBlock, size - block * kRandomBlock);
}

}  // namespace gradstep::cpu
