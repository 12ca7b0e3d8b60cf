// Which elements dropout keeps, the same on every device. Elements go in blocks of 64: lane l of 0..15 of block b draws
// four words, and word j decides about element 64 b + 16 j + l. So sixteen lanes side by side read and write memory in
// order, on a processor's vector unit as on a warp.
#pragma once

#include <cstdint>

#include "core/philox.h"
#include "core/state.h"

namespace gradstep {

constexpr int kDropoutLanes = 16;
constexpr int kDropoutWords = 4;
constexpr int kDropoutBlock = kDropoutLanes * kDropoutWords;

// The four words of lane `draw` % 16 in block `draw` / 16, in the step and under the seed that `state` holds.
GRADSTEP_HD inline Philox4 dropout_words(uint64_t draw, const int32_t* state, uint32_t stream) {
  return philox(static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32),
                static_cast<uint32_t>(state[kStateStep]), 0, static_cast<uint32_t>(state[kStateSeedLow]) ^ stream,
                static_cast<uint32_t>(state[kStateSeedHigh]));
}

// x / (1 - rate) where the word, as a number in [0, 1) of 24 bits, reaches the rate; else 0. `scale` is 1 / (1 - rate).
GRADSTEP_HD inline float dropout_element(float x, uint32_t word, float rate, float scale) {
  return static_cast<float>(word >> 8) * 5.9604644775390625e-8f >= rate ? x * scale : 0.f;
}

}  // namespace gradstep
