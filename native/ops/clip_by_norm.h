// Tensors in a gradient block and what they are scaled by, for clip_by_norm.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct ClippedBlock {
  static constexpr int64_t kUnit = 16;  // elements; see lib/ops/clip_by_norm.ts

  float* grads;           // [size]
  const int32_t* begins;  // [tensors], or null: the block is one tensor
  int64_t size;
  int32_t tensors;
  float limit;

  // Where tensor s begins, and so where the one before it, with the gap behind it, ends.
  GRADSTEP_HD inline int64_t begin(int32_t s) const {
    if (s >= tensors) return size;
    return begins ? begins[s] * kUnit : 0;
  }

  // The tensor, or the gap behind it, that an element lies in.
  GRADSTEP_HD inline int32_t tensor_at(int64_t element) const {
    int32_t low = 0, high = tensors;  // begin(low) <= element < begin(high)
    while (high - low > 1) {
      const int32_t middle = low + (high - low) / 2;
      if (begin(middle) <= element) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  // NaN for a norm that is NaN, so that a broken network is noticed.
  GRADSTEP_HD inline float factor(double norm) const {
    return norm > limit ? static_cast<float>(limit / norm) : norm == norm ? 1.f : static_cast<float>(norm);
  }
};

}  // namespace gradstep
