// One Adamax update (Kingma & Ba 2015, section 7.1) of one element, t = 1 at the first step:
//   m <- b1 m + (1 - b1) g,  u <- max(b2 u, |g|),  w <- w - lr / (1 - b1^t) m / (u + epsilon)
// 1 - b1 and the correction come from the same float32 constant, so that both cancel in the first steps.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"
#include "ops/power.h"

namespace gradstep {

struct Adamax {
  float beta1, beta2, epsilon;

  struct Move {
    float rate, beta1, beta2, rest1, epsilon;

    GRADSTEP_HD inline void operator()(float& w, float g, float& m, float& u) const {
      const float kept = beta2 * u;
      const float now = ::fabsf(g);
      m = beta1 * m + rest1 * g;
      u = kept > now ? kept : now;
      w -= rate * m / (u + epsilon);
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t t) const {
    const double correction = 1.0 - power(beta1, static_cast<uint32_t>(t));
    return {static_cast<float>(learning_rate / correction), beta1, beta2, static_cast<float>(1.0 - beta1), epsilon};
  }
};

}  // namespace gradstep
