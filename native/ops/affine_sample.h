// Where affineSample reads, the same on every device: a place in the source from a transform, the two positions that it
// lies between along an axis, and what positions beyond the edge stand for.
#pragma once

#include "ops/scalar.h"

namespace gradstep {

// In the order of the attribute's values.
enum FillMode : int32_t { kFillConstant, kFillNearest, kFillReflect, kFillWrap };

// Places further out than this are taken to be there: beyond it float32 holds no fractions anyway. So is a NaN.
constexpr float kFarthest = 8388608.f;

GRADSTEP_HD inline float bounded(float v) { return v > -kFarthest ? (v < kFarthest ? v : kFarthest) : -kFarthest; }

// Along one axis; `t` is that axis's three numbers of the transform.
GRADSTEP_HD inline float source_place(const float* t, float q, float p) {
  return bounded(t[0] * q + (t[1] * p + t[2]));
}

// The position inside [0, size) that a whole number stands for. kFillConstant: the nearest; the caller leaves it out.
GRADSTEP_HD inline float fold_position(float v, float size, FillMode fill) {
  if (fill == kFillConstant || fill == kFillNearest) return v > 0.f ? (v < size ? v : size - 1.f) : 0.f;
  const float period = fill == kFillWrap ? size : 2.f * size;
  float r = v - period * scalar::floor(v * (1.f / period));
  r = r < 0.f ? r + period : r;  // a quotient that was rounded may be one off
  r = r >= period ? r - period : r;
  return fill == kFillReflect && r >= size ? period - 1.f - r : r;
}

// 1 for positions that hold a pixel, 0 where the fill value stands. In factors, so that loops vectorise.
GRADSTEP_HD inline float counted(float v, float size, FillMode fill) {
  return fill == kFillConstant ? (v >= 0.f ? 1.f : 0.f) * (v < size ? 1.f : 0.f) : 1.f;
}

// Two positions along an axis and their shares; 0 for what lies beyond the edge with kFillConstant.
struct AxisTaps {
  int32_t low, high;
  float low_share, high_share;
};

GRADSTEP_HD inline AxisTaps axis_taps(float place, float size, FillMode fill, bool bilinear) {
  const float low = scalar::floor(bilinear ? place : place + 0.5f), high = low + 1.f;
  const float rest = bilinear ? place - low : 0.f;
  return {static_cast<int32_t>(fold_position(low, size, fill)), static_cast<int32_t>(fold_position(high, size, fill)),
          (1.f - rest) * counted(low, size, fill), rest * counted(high, size, fill)};
}

}  // namespace gradstep
