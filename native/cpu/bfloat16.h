// bfloat16: the upper half of a float32, rounded to nearest, ties to even. NaN stays NaN.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/program.h"
#include "cpu/parallel.h"

namespace gradstep::cpu {

inline uint16_t bfloat16_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? bits >> 16 | 0x40u : rounded);
}

inline float from_bfloat16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float x;
  memcpy(&x, &wide, sizeof x);
  return x;
}

// Elements of a kernel that is a template over how they are stored.
GRADSTEP_INLINE float widened(float x) { return x; }
GRADSTEP_INLINE float widened(uint16_t x) { return from_bfloat16(x); }

// make(T{}), T being what elements of the type are stored in.
template <typename Make>
auto as_stored(DType dtype, const Make& make) {
  return dtype == DType::kBfloat16 ? make(uint16_t{}) : make(float{});
}

inline float round_to_bfloat16(float x) { return from_bfloat16(bfloat16_bits(x)); }

void to_bfloat16(uint16_t* to, const float* from, int64_t n);
void from_bfloat16(float* to, const uint16_t* from, int64_t n);
void round_to_bfloat16(float* to, const float* from, int64_t n);

}  // namespace gradstep::cpu
