// One Adadelta update (Zeiler 2012, algorithm 1) of one element, with a learning rate in front:
//   s <- rho s + (1 - rho) g^2,  move = g sqrt(d + epsilon) / sqrt(s + epsilon),
//   d <- rho d + (1 - rho) move^2,  w <- w - lr move
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct Adadelta {
  float rho, epsilon;

  struct Move {
    float rate, rho, rest, epsilon;

    GRADSTEP_HD inline void operator()(float& w, float g, float& s, float& d) const {
      s = rho * s + rest * (g * g);
      const float move = g * (::sqrtf(d + epsilon) / ::sqrtf(s + epsilon));
      d = rho * d + rest * (move * move);
      w -= rate * move;
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t) const {
    return {learning_rate, rho, static_cast<float>(1.0 - rho), epsilon};
  }
};

}  // namespace gradstep
