// What channel_norm is made of on both backends: the division of its tensors, and the formulas of one channel. With
//   S1 = sum dy,  S2 = sum dy (x - mean)   of one sample and channel (dy masked where relu held back, see NormMask)
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

// Whether the activation let an element through: it lets all, relu of the normalised x decides, or relu of more than
// that did, whose result y is at hand, or what was left of dy by that, rounded.
enum class NormMask { kNone, kFromX, kFromY, kFromKept };

template <typename Args>
NormMask norm_mask(const Args& args) {
  if (args.activation == Args::kActivationLinear) return NormMask::kNone;
  return args.y.present() ? NormMask::kFromY : NormMask::kFromX;
}

template <NormMask kMask>
GRADSTEP_HD inline float norm_masked(float dy, float x, float y, const NormForward& forward) {
  if constexpr (kMask == NormMask::kFromX) return forward(x) > 0.f ? dy : 0.f;
  if constexpr (kMask == NormMask::kFromY) return y > 0.f ? dy : 0.f;
  if constexpr (kMask == NormMask::kFromKept) return y != 0.f ? dy : 0.f;
  return dy;
}

// dx of one channel from dy, masked.
struct NormBackward {
  float scale, slope, offset;

  NormBackward() = default;
  GRADSTEP_HD inline NormBackward(float gamma, float rstd, float a, float b, float count)
      : scale(gamma * rstd), slope(-rstd * rstd * rstd * b / count), offset(-rstd * a / count) {}
  GRADSTEP_HD inline float operator()(float centred, float dy) const { return scale * dy + (slope * centred + offset); }
};

}  // namespace gradstep
