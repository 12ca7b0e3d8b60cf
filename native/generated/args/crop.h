// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) CropArgs {
  enum Flip : int32_t { kFlipNone, kFlipHorizontal, kFlipVertical, kFlipBoth };
  Tensor x;
  Tensor state;
  Tensor y;
  int32_t height;
  int32_t width;
  int32_t top;
  int32_t left;
  int32_t rows;
  int32_t columns;
  int32_t flip;
  uint32_t stream;
};
static_assert(offsetof(CropArgs, x) == 0, "layout");
static_assert(offsetof(CropArgs, state) == 48, "layout");
static_assert(offsetof(CropArgs, y) == 96, "layout");
static_assert(offsetof(CropArgs, height) == 144, "layout");
static_assert(offsetof(CropArgs, width) == 148, "layout");
static_assert(offsetof(CropArgs, top) == 152, "layout");
static_assert(offsetof(CropArgs, left) == 156, "layout");
static_assert(offsetof(CropArgs, rows) == 160, "layout");
static_assert(offsetof(CropArgs, columns) == 164, "layout");
static_assert(offsetof(CropArgs, flip) == 168, "layout");
static_assert(offsetof(CropArgs, stream) == 172, "layout");
static_assert(sizeof(CropArgs) == 176, "layout");

struct alignas(8) CropDxArgs {
  enum Flip : int32_t { kFlipNone, kFlipHorizontal, kFlipVertical, kFlipBoth };
  Tensor dy;
  Tensor state;
  Tensor dx;
  int32_t height;
  int32_t width;
  int32_t top;
  int32_t left;
  int32_t rows;
  int32_t columns;
  int32_t flip;
  uint32_t stream;
  Dims shape;
};
static_assert(offsetof(CropDxArgs, dy) == 0, "layout");
static_assert(offsetof(CropDxArgs, state) == 48, "layout");
static_assert(offsetof(CropDxArgs, dx) == 96, "layout");
static_assert(offsetof(CropDxArgs, height) == 144, "layout");
static_assert(offsetof(CropDxArgs, width) == 148, "layout");
static_assert(offsetof(CropDxArgs, top) == 152, "layout");
static_assert(offsetof(CropDxArgs, left) == 156, "layout");
static_assert(offsetof(CropDxArgs, rows) == 160, "layout");
static_assert(offsetof(CropDxArgs, columns) == 164, "layout");
static_assert(offsetof(CropDxArgs, flip) == 168, "layout");
static_assert(offsetof(CropDxArgs, stream) == 172, "layout");
static_assert(offsetof(CropDxArgs, shape) == 176, "layout");
static_assert(sizeof(CropDxArgs) == 208, "layout");

}  // namespace gradstep
