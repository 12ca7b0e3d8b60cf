// One element of a moving average, a <- momentum a + rate v with momentum + rate = 1, written so that it moves from the
// nearer end: the value stays put when it equals the average, though the factors are rounded.
#pragma once

#include "core/philox.h"

namespace gradstep {

struct MovingAverage {
  float momentum, rate;

  GRADSTEP_HD inline float operator()(float average, float value) const {
    const float gap = value - average;
    return rate < 0.5f ? average + rate * gap : value - momentum * gap;
  }
};

}  // namespace gradstep
