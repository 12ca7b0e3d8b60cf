// b^t by repeated squaring in float64, the same on every device: the bias corrections of the optimizers.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace gradstep {

GRADSTEP_HD inline double power(double b, uint32_t t) {
  double result = 1.0;
  for (; t; t >>= 1, b *= b) {
    if (t & 1u) result *= b;
  }
  return result;
}

}  // namespace gradstep
