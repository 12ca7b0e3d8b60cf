// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ResizeArgs {
  enum Interpolation : int32_t { kInterpolationNearest, kInterpolationBilinear };
  Tensor x;
  Tensor y;
  int32_t height;
  int32_t width;
  int32_t interpolation;
};
static_assert(offsetof(ResizeArgs, x) == 0, "layout");
static_assert(offsetof(ResizeArgs, y) == 48, "layout");
static_assert(offsetof(ResizeArgs, height) == 96, "layout");
static_assert(offsetof(ResizeArgs, width) == 100, "layout");
static_assert(offsetof(ResizeArgs, interpolation) == 104, "layout");
static_assert(sizeof(ResizeArgs) == 112, "layout");

struct alignas(8) ResizeDxArgs {
  enum Interpolation : int32_t { kInterpolationNearest, kInterpolationBilinear };
  Tensor dy;
  Tensor dx;
  int32_t interpolation;
  Dims shape;
};
static_assert(offsetof(ResizeDxArgs, dy) == 0, "layout");
static_assert(offsetof(ResizeDxArgs, dx) == 48, "layout");
static_assert(offsetof(ResizeDxArgs, interpolation) == 96, "layout");
static_assert(offsetof(ResizeDxArgs, shape) == 100, "layout");
static_assert(sizeof(ResizeDxArgs) == 128, "layout");

}  // namespace gradstep
