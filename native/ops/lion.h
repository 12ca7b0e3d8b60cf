// One Lion update (Chen et al. 2023) of one element:
//   w <- w - lr sign(b1 m + (1 - b1) g),  m <- b2 m + (1 - b2) g,  with sign(0) = 0
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct Lion {
  float beta1, beta2;

  struct Move {
    float rate, beta1, beta2, rest1, rest2;

    GRADSTEP_HD inline void operator()(float& w, float g, float& m) const {
      const float direction = beta1 * m + rest1 * g;
      w -= direction > 0.f ? rate : direction < 0.f ? -rate : direction;
      m = beta2 * m + rest2 * g;
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t) const {
    return {learning_rate, beta1, beta2, static_cast<float>(1.0 - beta1), static_cast<float>(1.0 - beta2)};
  }
};

}  // namespace gradstep
