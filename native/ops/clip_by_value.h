// One element cut to [-limit, limit]; NaN stays.
#pragma once

#include "core/philox.h"

namespace gradstep {

struct ClipByValue {
  float limit;

  GRADSTEP_HD inline float operator()(float g) const { return g > limit ? limit : g < -limit ? -limit : g; }
};

}  // namespace gradstep
