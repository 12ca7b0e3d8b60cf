// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AffineSampleArgs {
  enum Interpolation : int32_t { kInterpolationNearest, kInterpolationBilinear };
  enum FillMode : int32_t { kFillModeConstant, kFillModeNearest, kFillModeReflect, kFillModeWrap };
  Tensor x;
  Tensor transform;
  Tensor y;
  int32_t height;
  int32_t width;
  int32_t interpolation;
  int32_t fill_mode;
  float fill_value;
};
static_assert(offsetof(AffineSampleArgs, x) == 0, "layout");
static_assert(offsetof(AffineSampleArgs, transform) == 48, "layout");
static_assert(offsetof(AffineSampleArgs, y) == 96, "layout");
static_assert(offsetof(AffineSampleArgs, height) == 144, "layout");
static_assert(offsetof(AffineSampleArgs, width) == 148, "layout");
static_assert(offsetof(AffineSampleArgs, interpolation) == 152, "layout");
static_assert(offsetof(AffineSampleArgs, fill_mode) == 156, "layout");
static_assert(offsetof(AffineSampleArgs, fill_value) == 160, "layout");
static_assert(sizeof(AffineSampleArgs) == 168, "layout");

struct alignas(8) AffineSampleDxArgs {
  enum Interpolation : int32_t { kInterpolationNearest, kInterpolationBilinear };
  enum FillMode : int32_t { kFillModeConstant, kFillModeNearest, kFillModeReflect, kFillModeWrap };
  Tensor dy;
  Tensor transform;
  Tensor dx;
  int32_t interpolation;
  int32_t fill_mode;
  Dims shape;
};
static_assert(offsetof(AffineSampleDxArgs, dy) == 0, "layout");
static_assert(offsetof(AffineSampleDxArgs, transform) == 48, "layout");
static_assert(offsetof(AffineSampleDxArgs, dx) == 96, "layout");
static_assert(offsetof(AffineSampleDxArgs, interpolation) == 144, "layout");
static_assert(offsetof(AffineSampleDxArgs, fill_mode) == 148, "layout");
static_assert(offsetof(AffineSampleDxArgs, shape) == 152, "layout");
static_assert(sizeof(AffineSampleDxArgs) == 184, "layout");

}  // namespace gradstep
