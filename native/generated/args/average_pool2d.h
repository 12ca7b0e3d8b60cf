// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AveragePool2dArgs {
  Tensor x;
  Tensor y;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
};
static_assert(offsetof(AveragePool2dArgs, x) == 0, "layout");
static_assert(offsetof(AveragePool2dArgs, y) == 48, "layout");
static_assert(offsetof(AveragePool2dArgs, pool_h) == 96, "layout");
static_assert(offsetof(AveragePool2dArgs, pool_w) == 100, "layout");
static_assert(offsetof(AveragePool2dArgs, stride_h) == 104, "layout");
static_assert(offsetof(AveragePool2dArgs, stride_w) == 108, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_top) == 112, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_bottom) == 116, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_left) == 120, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_right) == 124, "layout");
static_assert(sizeof(AveragePool2dArgs) == 128, "layout");

struct alignas(8) AveragePool2dDxArgs {
  Tensor dy;
  Tensor dx;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
};
static_assert(offsetof(AveragePool2dDxArgs, dy) == 0, "layout");
static_assert(offsetof(AveragePool2dDxArgs, dx) == 48, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pool_h) == 96, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pool_w) == 100, "layout");
static_assert(offsetof(AveragePool2dDxArgs, stride_h) == 104, "layout");
static_assert(offsetof(AveragePool2dDxArgs, stride_w) == 108, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_top) == 112, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_bottom) == 116, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_left) == 120, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_right) == 124, "layout");
static_assert(offsetof(AveragePool2dDxArgs, shape) == 128, "layout");
static_assert(sizeof(AveragePool2dDxArgs) == 160, "layout");

}  // namespace gradstep
