// One step of gradient descent of one element: plain, with momentum, or with Nesterov momentum (Sutskever et al. 2013)
// in the form that keeps the parameters themselves:
//   v <- momentum v - lr g,  w <- w + v   or   w <- w + momentum v - lr g
#pragma once

#include "core/philox.h"

namespace gradstep {

GRADSTEP_HD inline void sgd_update(float learning_rate, float& w, float g) { w -= learning_rate * g; }

GRADSTEP_HD inline void sgd_update(float learning_rate, float momentum, bool nesterov, float& w, float g, float& v) {
  const float pull = learning_rate * g;
  v = momentum * v - pull;
  w += nesterov ? momentum * v - pull : v;
}

}  // namespace gradstep
