// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) Conv2dArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  Tensor x;
  Tensor w;
  Tensor bias;
  Tensor y;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  int32_t activation;
};
static_assert(offsetof(Conv2dArgs, x) == 0, "layout");
static_assert(offsetof(Conv2dArgs, w) == 48, "layout");
static_assert(offsetof(Conv2dArgs, bias) == 96, "layout");
static_assert(offsetof(Conv2dArgs, y) == 144, "layout");
static_assert(offsetof(Conv2dArgs, stride_h) == 192, "layout");
static_assert(offsetof(Conv2dArgs, stride_w) == 196, "layout");
static_assert(offsetof(Conv2dArgs, dilation_h) == 200, "layout");
static_assert(offsetof(Conv2dArgs, dilation_w) == 204, "layout");
static_assert(offsetof(Conv2dArgs, pad_top) == 208, "layout");
static_assert(offsetof(Conv2dArgs, pad_bottom) == 212, "layout");
static_assert(offsetof(Conv2dArgs, pad_left) == 216, "layout");
static_assert(offsetof(Conv2dArgs, pad_right) == 220, "layout");
static_assert(offsetof(Conv2dArgs, activation) == 224, "layout");
static_assert(sizeof(Conv2dArgs) == 232, "layout");

struct alignas(8) Conv2dDxArgs {
  Tensor dy;
  Tensor w;
  Tensor dx;
  int32_t accumulate_dx;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
};
static_assert(offsetof(Conv2dDxArgs, dy) == 0, "layout");
static_assert(offsetof(Conv2dDxArgs, w) == 48, "layout");
static_assert(offsetof(Conv2dDxArgs, dx) == 96, "layout");
static_assert(offsetof(Conv2dDxArgs, accumulate_dx) == 144, "layout");
static_assert(offsetof(Conv2dDxArgs, stride_h) == 148, "layout");
static_assert(offsetof(Conv2dDxArgs, stride_w) == 152, "layout");
static_assert(offsetof(Conv2dDxArgs, dilation_h) == 156, "layout");
static_assert(offsetof(Conv2dDxArgs, dilation_w) == 160, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_top) == 164, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_bottom) == 168, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_left) == 172, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_right) == 176, "layout");
static_assert(offsetof(Conv2dDxArgs, shape) == 180, "layout");
static_assert(sizeof(Conv2dDxArgs) == 208, "layout");

struct alignas(8) Conv2dDwArgs {
  enum WithBias : int32_t { kWithBiasNo, kWithBiasYes };
  Tensor x;
  Tensor dy;
  Tensor dw;
  Tensor db;
  int32_t accumulate_dw;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
  int32_t with_bias;
};
static_assert(offsetof(Conv2dDwArgs, x) == 0, "layout");
static_assert(offsetof(Conv2dDwArgs, dy) == 48, "layout");
static_assert(offsetof(Conv2dDwArgs, dw) == 96, "layout");
static_assert(offsetof(Conv2dDwArgs, db) == 144, "layout");
static_assert(offsetof(Conv2dDwArgs, accumulate_dw) == 192, "layout");
static_assert(offsetof(Conv2dDwArgs, stride_h) == 196, "layout");
static_assert(offsetof(Conv2dDwArgs, stride_w) == 200, "layout");
static_assert(offsetof(Conv2dDwArgs, dilation_h) == 204, "layout");
static_assert(offsetof(Conv2dDwArgs, dilation_w) == 208, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_top) == 212, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_bottom) == 216, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_left) == 220, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_right) == 224, "layout");
static_assert(offsetof(Conv2dDwArgs, shape) == 228, "layout");
static_assert(offsetof(Conv2dDwArgs, with_bias) == 256, "layout");
static_assert(sizeof(Conv2dDwArgs) == 264, "layout");

}  // namespace gradstep
