// softmax of one row, for softmax and softmaxCrossEntropy.
#pragma once

#include <cstdint>

namespace gradstep::cpu {

struct RowScale {
  float max;  // of the row
  float sum;  // Σ exp(x − max)
};

// y = softmax(x), y may be x; also what the row was scaled by.
RowScale softmax_row(float* y, const float* x, int64_t n);

}  // namespace gradstep::cpu
