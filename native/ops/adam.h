// One Adam update (Kingma & Ba 2015) of one element, t = 1 at the first step:
//   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - rate m / (sqrt(v) + epsilon) - lr decay w
// with rate = lr sqrt(1 - b2^t) / (1 - b1^t); decay is AdamW's (Loshchilov & Hutter 2019), 0 in Adam. AMSGrad (Reddi et
// al. 2018) divides by the largest v so far. What depends only on t is worked out once, in float64; 1 - b1 and 1 - b2
// are taken from the same float32 constants as the corrections, so that both cancel in the first steps.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"
#include "ops/power.h"

namespace gradstep {

struct Adam {
  float beta1, beta2, epsilon, weight_decay;

  struct Move {
    float rate, beta1, beta2, rest1, rest2, epsilon, decay;

    GRADSTEP_HD inline void moments(float g, float& m, float& v) const {
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * (g * g);
    }
    GRADSTEP_HD inline void step(float& w, float m, float v) const {
      w -= decay * w + rate * m / (::sqrtf(v) + epsilon);
    }
    GRADSTEP_HD inline void operator()(float& w, float g, float& m, float& v) const {
      moments(g, m, v);
      step(w, m, v);
    }
    GRADSTEP_HD inline void operator()(float& w, float g, float& m, float& v, float& v_max) const {
      moments(g, m, v);
      v_max = v_max > v ? v_max : v;
      step(w, m, v_max);
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t t) const {
    const double correction1 = 1.0 - power(beta1, static_cast<uint32_t>(t));
    const double correction2 = 1.0 - power(beta2, static_cast<uint32_t>(t));
    return {static_cast<float>(learning_rate * ::sqrt(correction2) / correction1),
            beta1,
            beta2,
            static_cast<float>(1.0 - beta1),
            static_cast<float>(1.0 - beta2),
            epsilon,
            learning_rate * weight_decay};
  }
};

}  // namespace gradstep
