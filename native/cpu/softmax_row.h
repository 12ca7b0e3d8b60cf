// softmax of rows, for softmax and softmaxCrossEntropy.
#pragma once

#include <cstdint>

namespace gradstep::cpu {

// Rows that softmax_rows takes at once, so that what they were scaled by fits on the stack.
constexpr int64_t kSoftmaxRows = 512;

struct RowScales {
  float max[kSoftmaxRows];  // of a row
  float sum[kSoftmaxRows];  // Σ exp(x − max)
};

// y = softmax(x) of at most kSoftmaxRows rows of n, y may be x; also what each row was scaled by.
void softmax_rows(float* y, const float* x, int64_t rows, int64_t n, RowScales& scales);

// The largest of n >= 1 elements, where a NaN may be lost: the exponentials of the differences bring it back.
float row_maximum(const float* x, int64_t n);

}  // namespace gradstep::cpu
