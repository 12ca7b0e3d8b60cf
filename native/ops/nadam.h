// One Nadam update (Dozat 2016, with its momentum schedule) of one element, t = 1 at the first step:
//   mu_t = b1 (1 - 0.96^t / 2),  m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,
//   w <- w - lr (mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t))
//            / (sqrt(v / (1 - b2^t)) + epsilon)
// What depends only on t is worked out once, in float64; the product of the mu needs no state of its own.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"
#include "ops/power.h"

namespace gradstep {

struct Nadam {
  float beta1, beta2, epsilon;

  struct Move {
    float rate_m, rate_g, beta1, beta2, rest1, rest2, unbias, epsilon;

    GRADSTEP_HD inline void operator()(float& w, float g, float& m, float& v) const {
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * (g * g);
      w -= (rate_m * m + rate_g * g) / (::sqrtf(v * unbias) + epsilon);
    }
  };

  // mu_1 ... mu_t. The schedule's factors are 1 in float64 after 1000 steps; a product below 1e-18 leaves 1 as it is.
  GRADSTEP_HD static inline double product(double beta1, uint32_t t) {
    double result = power(beta1, t);
    if (result < 1e-18) return 0.0;
    double decay = 0.96;
    for (uint32_t i = 0; i < t && i < 1000; i++, decay *= 0.96) result *= 1.0 - 0.5 * decay;
    return result;
  }

  GRADSTEP_HD inline Move at(float learning_rate, int32_t step) const {
    const uint32_t t = static_cast<uint32_t>(step);
    const double decay = power(0.96, t);
    const double mu = beta1 * (1.0 - 0.5 * decay);
    const double next = beta1 * (1.0 - 0.5 * 0.96 * decay);
    const double so_far = product(beta1, t);
    return {static_cast<float>(learning_rate * next / (1.0 - so_far * next)),
            static_cast<float>(learning_rate * (1.0 - mu) / (1.0 - so_far)),
            beta1,
            beta2,
            static_cast<float>(1.0 - beta1),
            static_cast<float>(1.0 - beta2),
            static_cast<float>(1.0 / (1.0 - power(beta2, t))),
            epsilon};
  }
};

}  // namespace gradstep
