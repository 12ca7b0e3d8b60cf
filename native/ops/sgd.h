// One step of gradient descent of one element: plain, with momentum, or with Nesterov momentum (Sutskever et al. 2013)
// in the form that keeps the parameters themselves:
//   v <- momentum v - lr g,  w <- w + v   or   w <- w + momentum v - lr g
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct Sgd {
  float momentum;
  bool nesterov;

  struct Move {
    float rate, momentum;
    bool nesterov;

    GRADSTEP_HD inline void operator()(float& w, float g) const { w -= rate * g; }
    GRADSTEP_HD inline void operator()(float& w, float g, float& v) const {
      const float pull = rate * g;
      v = momentum * v - pull;
      w += nesterov ? momentum * v - pull : v;
    }
  };

  GRADSTEP_HD inline Move at(float learning_rate, int32_t) const { return {learning_rate, momentum, nesterov}; }
};

}  // namespace gradstep
