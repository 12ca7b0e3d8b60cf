// A float as a whole number, as both backends do it: towards zero; the nearest that int32 holds, and 0 for NaN, where
// C++ says nothing.
#pragma once

#include <cstdint>
#include <limits>

#include "core/philox.h"

namespace gradstep {

GRADSTEP_HD inline int32_t truncated(float x) {
  constexpr float kBound = 2147483648.f;  // 2^31
  if (x != x) return 0;
  if (x >= kBound) return std::numeric_limits<int32_t>::max();
  if (x < -kBound) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(x);
}

}  // namespace gradstep
