// Random numbers, the same on every device: words of Philox, keyed (seed, stream), counted (draw, step). Tensors of
// them go in blocks of 64 elements: lane l of 0..15 of block b makes draw 16 b + l, and word j of it belongs to element
// 64 b + 16 j + l. So sixteen lanes side by side touch memory in order, on a processor's vector unit as on a warp.
#pragma once

#include <cstdint>

#include "core/philox.h"
#include "core/state.h"
#include "ops/scalar.h"

namespace gradstep {

constexpr int kRandomLanes = 16;
constexpr int kRandomWords = 4;
constexpr int kRandomBlock = kRandomLanes * kRandomWords;

// The four words of a draw, in the step and under the seed that `state` holds.
GRADSTEP_HD inline Philox4 random_words(uint64_t draw, const int32_t* state, uint32_t stream) {
  return philox(static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32),
                static_cast<uint32_t>(state[kStateStep]), 0, static_cast<uint32_t>(state[kStateSeedLow]) ^ stream,
                static_cast<uint32_t>(state[kStateSeedHigh]));
}

// A word as a number in [0, 1) of 24 bits, exact in float32.
GRADSTEP_HD inline float unit_number(uint32_t word) { return static_cast<float>(word >> 8) * 5.9604644775390625e-8f; }

struct SineCosine {
  float sine, cosine;
};

// Of the angle quarter · π/2 + t, |t| <= π/4. The sign and the swap by quarter are selections, so that loops vectorise.
GRADSTEP_HD inline SineCosine sine_cosine(uint32_t quarter, float t) {
  const float z = t * t;
  const float s = t + t * z * (-1.6666654611e-1f + z * (8.3321608736e-3f - z * 1.9515295891e-4f));
  const float c = (1.f - 0.5f * z) + z * z * (4.1666645683e-2f + z * (-1.3887316255e-3f + z * 2.4433157118e-5f));
  const bool odd = (quarter & 1) != 0;
  const float sine = odd ? c : s, cosine = odd ? s : c;
  return {(quarter & 2) != 0 ? -sine : sine, ((quarter + 1) & 2) != 0 ? -cosine : cosine};
}

// Of 2π · turns.
GRADSTEP_HD inline SineCosine turn(float turns) {
  const float quarter = scalar::floor(turns * 4.f + 0.5f);
  return sine_cosine(static_cast<uint32_t>(static_cast<int32_t>(quarter)) & 3u,
                     (turns - quarter * 0.25f) * 6.283185307f);
}

struct NormalPair {
  float a, b;
};

// Two numbers of the standard normal distribution (Box & Muller 1958): radius from one word, angle from the other.
GRADSTEP_HD inline NormalPair normal_pair(uint32_t radius_word, uint32_t angle_word) {
  const float u = (static_cast<float>(radius_word) + 1.f) * 2.3283064365386963e-10f;  // in (0, 1]
  const float radius = scalar::sqrt(-2.f * scalar::log(u));
  const uint32_t quarter = (angle_word + 0x20000000u) >> 30;
  const float t = static_cast<float>(static_cast<int32_t>(angle_word - (quarter << 30))) * 1.4629180793e-9f;
  const SineCosine at = sine_cosine(quarter, t);
  return {radius * at.cosine, radius * at.sine};
}

struct Normal4 {
  float v[kRandomWords];
};

// The four normal numbers of a draw.
GRADSTEP_HD inline Normal4 normal_numbers(const Philox4& words) {
  const NormalPair low = normal_pair(words.w[0], words.w[1]), high = normal_pair(words.w[2], words.w[3]);
  return {{low.a, low.b, high.a, high.b}};
}

}  // namespace gradstep
