// The activations of recurrent cells over arrays.
#pragma once

#include <cstdint>

#include "ops/cell_activation.h"

namespace gradstep::cpu {

// x = φ(x).
void activate(CellActivation kind, float* x, int64_t n);

// d *= φ'(where its value is y).
void multiply_by_slope(CellActivation kind, float* d, const float* y, int64_t n);

}  // namespace gradstep::cpu
