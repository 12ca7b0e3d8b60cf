// One Adam update (Kingma & Ba 2015) of one element, t = 1 at the first step:
//   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - rate m / (sqrt(v) + epsilon)
// with rate = lr sqrt(1 - b2^t) / (1 - b1^t). What depends only on t is worked out once, in float64; 1 - b1 and 1 - b2
// are taken from the same float32 constants as the corrections, so that both cancel in the first steps.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct AdamStep {
  float rate, beta1, beta2, rest1, rest2, epsilon;
};

// b^t by repeated squaring, the same on every device.
GRADSTEP_HD inline double power(double b, uint32_t t) {
  double result = 1.0;
  for (; t; t >>= 1, b *= b) {
    if (t & 1u) result *= b;
  }
  return result;
}

GRADSTEP_HD inline AdamStep adam_step(float learning_rate, float beta1, float beta2, float epsilon, int32_t t) {
  const double correction1 = 1.0 - power(beta1, static_cast<uint32_t>(t));
  const double correction2 = 1.0 - power(beta2, static_cast<uint32_t>(t));
  return {static_cast<float>(learning_rate * ::sqrt(correction2) / correction1),
          beta1,
          beta2,
          static_cast<float>(1.0 - beta1),
          static_cast<float>(1.0 - beta2),
          epsilon};
}

GRADSTEP_HD inline void adam_update(const AdamStep& s, float& w, float g, float& m, float& v) {
  m = s.beta1 * m + s.rest1 * g;
  v = s.beta2 * v + s.rest2 * (g * g);
  w -= s.rate * m / (::sqrtf(v) + s.epsilon);
}

}  // namespace gradstep
