// bfloat16: the upper half of a float32, rounded to nearest, ties to even. NaN stays NaN.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/parallel.h"

namespace gradstep::cpu {

inline uint16_t bfloat16_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? bits >> 16 | 0x40u : rounded);
}

inline float round_to_bfloat16(float x) {
  const uint32_t bits = static_cast<uint32_t>(bfloat16_bits(x)) << 16;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}

void to_bfloat16(uint16_t* to, const float* from, int64_t n);
void round_to_bfloat16(float* to, const float* from, int64_t n);

}  // namespace gradstep::cpu
