// Which attention weights are kept, the same on every device: a draw of four words decides about four neighbouring keys
// of one query, so that neither the order of blocks nor their size matters.
#pragma once

#include <cstdint>

#include "ops/random.h"

namespace gradstep {

constexpr int kAttentionWords = 4;

// The draw for keys 4 group … 4 group + 3; `row` counts queries over [B, H, Tq], `groups` is the number of groups of a
// row.
GRADSTEP_HD inline uint64_t attention_draw(uint64_t row, uint64_t group, uint64_t groups) {
  return row * groups + group;
}

GRADSTEP_HD inline Philox4 attention_words(uint64_t row, uint64_t group, uint64_t groups, const int32_t* state,
                                           uint32_t stream) {
  return random_words(attention_draw(row, group, groups), state, stream);
}

// What a weight is multiplied by: 0, or `scale` = 1 / (1 - rate) where the word, as a number in [0, 1), reaches the
// rate.
GRADSTEP_HD inline float attention_keep(uint32_t word, float rate, float scale) {
  return unit_number(word) >= rate ? scale : 0.f;
}

}  // namespace gradstep
