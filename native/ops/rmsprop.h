// One RMSprop update (Tieleman & Hinton 2012; centered: Graves 2013) of one element:
//   s <- rho s + (1 - rho) g^2,  move = lr g / sqrt(s + epsilon),  w <- w - move
// Centered, the running mean a <- rho a + (1 - rho) g is taken off: sqrt(s - a^2 + epsilon); a variance that rounding
// makes negative counts as 0. With momentum, b <- momentum b + move and w <- w - b.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct Rmsprop {
  float rho, momentum, epsilon;
  bool centered;

  struct Move {
    float rate, rho, rest, momentum, epsilon;
    bool centered;

    GRADSTEP_HD inline float scaled(float g, float& s) const {
      s = rho * s + rest * (g * g);
      return rate * g / ::sqrtf(s + epsilon);
    }
    GRADSTEP_HD inline float scaled(float g, float& s, float& a) const {
      s = rho * s + rest * (g * g);
      a = rho * a + rest * g;
      const float variance = s - a * a;
      return rate * g / ::sqrtf((variance > 0.f ? variance : 0.f) + epsilon);
    }
    GRADSTEP_HD inline void operator()(float& w, float g, float& s) const { w -= scaled(g, s); }
    GRADSTEP_HD inline void operator()(float& w, float g, float& s, float& other) const {
      if (centered) {
        w -= scaled(g, s, other);
      } else {
        other = momentum * other + scaled(g, s);
        w -= other;
      }
    }
    GRADSTEP_HD inline void operator()(float& w, float g, float& s, float& a, float& b) const {
      b = momentum * b + scaled(g, s, a);
      w -= b;
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t) const {
    return {learning_rate, rho, static_cast<float>(1.0 - rho), momentum, epsilon, centered};
  }
};

}  // namespace gradstep
