// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MaxPool2dArgs {
  Tensor x;
  Tensor y;
  Tensor argmax;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
};
static_assert(offsetof(MaxPool2dArgs, x) == 0, "layout");
static_assert(offsetof(MaxPool2dArgs, y) == 48, "layout");
static_assert(offsetof(MaxPool2dArgs, argmax) == 96, "layout");
static_assert(offsetof(MaxPool2dArgs, pool_h) == 144, "layout");
static_assert(offsetof(MaxPool2dArgs, pool_w) == 148, "layout");
static_assert(offsetof(MaxPool2dArgs, stride_h) == 152, "layout");
static_assert(offsetof(MaxPool2dArgs, stride_w) == 156, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_top) == 160, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_bottom) == 164, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_left) == 168, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_right) == 172, "layout");
static_assert(sizeof(MaxPool2dArgs) == 176, "layout");

struct alignas(8) MaxPool2dDxArgs {
  Tensor dy;
  Tensor argmax;
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
static_assert(offsetof(MaxPool2dDxArgs, dy) == 0, "layout");
static_assert(offsetof(MaxPool2dDxArgs, argmax) == 48, "layout");
static_assert(offsetof(MaxPool2dDxArgs, dx) == 96, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pool_h) == 144, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pool_w) == 148, "layout");
static_assert(offsetof(MaxPool2dDxArgs, stride_h) == 152, "layout");
static_assert(offsetof(MaxPool2dDxArgs, stride_w) == 156, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_top) == 160, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_bottom) == 164, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_left) == 168, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_right) == 172, "layout");
static_assert(offsetof(MaxPool2dDxArgs, shape) == 176, "layout");
static_assert(sizeof(MaxPool2dDxArgs) == 208, "layout");

}  // namespace gradstep
