// One Adagrad update (Duchi, Hazan & Singer 2011) of one element:
//   s <- s + g^2,  w <- w - lr g / sqrt(initial + s + epsilon)
// The initial value is not part of s, so that every slot of an optimizer begins at zero.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct Adagrad {
  float initial, epsilon;

  struct Move {
    float rate, initial, epsilon;

    GRADSTEP_HD inline void operator()(float& w, float g, float& s) const {
      s += g * g;
      w -= rate * g / ::sqrtf(initial + s + epsilon);
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t) const { return {learning_rate, initial, epsilon}; }
};

}  // namespace gradstep
