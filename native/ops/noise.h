// What noise does to an element: normal numbers of ops/random.h, added or multiplied; the same on every device.
#pragma once

#include "ops/random.h"

namespace gradstep {

// x + stddev · z, or x · (1 + stddev · z).
template <bool kMultiply>
GRADSTEP_HD inline float noise_element(float x, float z, float stddev) {
  return kMultiply ? x + x * (stddev * z) : x + stddev * z;
}

}  // namespace gradstep
