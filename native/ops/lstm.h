// One unit of an LSTM at one step (lib/ops/lstm.ts), forward and backward, shared by both backends.
#pragma once

#include "core/philox.h"

namespace gradstep {

// The gates, activated; or what belongs to each of them.
struct LstmGates {
  float i, f, g, o;
};

GRADSTEP_HD inline float lstm_cell(const LstmGates& z, float c_prev) { return z.f * c_prev + z.i * z.g; }

struct LstmGradient {
  LstmGates gates;  // by the activated gates: their own slopes are still to be multiplied by
  float c_prev;
};

// a = φ(c) and its slope; dh and dc: by the step's h, and by its c from the step after.
GRADSTEP_HD inline LstmGradient lstm_gradient(const LstmGates& z, float c_prev, float a, float slope, float dh,
                                              float dc) {
  const float d = dc + dh * z.o * slope;
  return {{d * z.g, d * c_prev, d * z.i, dh * a}, d * z.f};
}

}  // namespace gradstep
