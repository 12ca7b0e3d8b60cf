// One unit of a GRU at one step (lib/ops/gru.ts), forward and backward, shared by both backends.
#pragma once

#include "core/philox.h"

namespace gradstep {

GRADSTEP_HD inline float gru_state(float z, float candidate, float h_prev) {
  return candidate + z * (h_prev - candidate);
}

// By z and by the candidate (their own slopes are still to be multiplied by), and the part of dh_prev that z carries.
struct GruGradient {
  float z, candidate, carried;
};

GRADSTEP_HD inline GruGradient gru_gradient(float z, float candidate, float h_prev, float dh) {
  return {dh * (h_prev - candidate), dh * (1.f - z), dh * z};
}

}  // namespace gradstep
