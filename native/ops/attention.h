// Which attention weights are kept, the same on every device: a draw of four words decides about four neighbouring keys
// of one query, so that neither the order of blocks nor their size matters.
#pragma once

#include <cstdint>

#include "core/philox.h"
#include "core/state.h"

namespace gradstep {

constexpr int kAttentionWords = 4;

// Words of keys 4 group … 4 group + 3; `row` counts queries over [B, H, Tq], `groups` is the number of groups of a row.
GRADSTEP_HD inline Philox4 attention_words(uint64_t row, uint64_t group, uint64_t groups, const int32_t* state,
                                           uint32_t stream) {
  const uint64_t draw = row * groups + group;
  return philox(static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32),
                static_cast<uint32_t>(state[kStateStep]), 0, static_cast<uint32_t>(state[kStateSeedLow]) ^ stream,
                static_cast<uint32_t>(state[kStateSeedHigh]));
}

// What a weight is multiplied by: 0, or `scale` = 1 / (1 - rate) where the word, as a number in [0, 1) of 24 bits,
// reaches the rate.
GRADSTEP_HD inline float attention_keep(uint32_t word, float rate, float scale) {
  return static_cast<float>(word >> 8) * 5.9604644775390625e-8f >= rate ? scale : 0.f;
}

}  // namespace gradstep
