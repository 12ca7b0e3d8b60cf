// What channel_norm is made of on both backends: the division of its tensors, and the formulas of one channel. With
//   S1 = sum dy,  S2 = sum dy (x - mean)   of one sample and channel (dy masked where relu held back)
//   A = sum gamma S1,  B = sum gamma S2    over the channels of its group, of `count` elements
// the gradients are, r being 1/sqrt(variance + epsilon),
//   dgamma = sum over samples r S2,  dbeta = sum over samples S1
//   dx = gamma r dy - r^3 B/count (x - mean) - r A/count
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace gradstep {

// x is [samples, rows, channels].
struct NormShape {
  int64_t samples, rows, channels, groups;

  GRADSTEP_HD inline int64_t per_group() const { return channels / groups; }
  GRADSTEP_HD inline int64_t count() const { return rows * per_group(); }
  template <typename Args>
  static NormShape of(const Args& args) {
    const int64_t channels = args.x.dims[args.x.rank - 1];
    return {args.samples, args.x.size() / args.samples / channels, channels, args.groups};
  }
};

GRADSTEP_HD inline float norm_rstd(float variance, float epsilon) { return 1.f / sqrtf(variance + epsilon); }

// y of one channel before the activation.
struct NormForward {
  float mean, scale, shift;
  GRADSTEP_HD inline float operator()(float x) const { return (x - mean) * scale + shift; }
};

// dx of one channel from dy, masked.
struct NormBackward {
  float scale, slope, offset;

  NormBackward() = default;
  GRADSTEP_HD inline NormBackward(float gamma, float rstd, float a, float b, float count)
      : scale(gamma * rstd), slope(-rstd * rstd * rstd * b / count), offset(-rstd * a / count) {}
  GRADSTEP_HD inline float operator()(float centred, float dy) const { return scale * dy + (slope * centred + offset); }
};

}  // namespace gradstep
