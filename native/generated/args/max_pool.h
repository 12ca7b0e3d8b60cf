// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MaxPoolArgs {
  Tensor x;
  Tensor y;
  Tensor argmax;
  int32_t pool_d;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_d;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_front;
  int32_t pad_back;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
};
static_assert(offsetof(MaxPoolArgs, x) == 0, "layout");
static_assert(offsetof(MaxPoolArgs, y) == 48, "layout");
static_assert(offsetof(MaxPoolArgs, argmax) == 96, "layout");
static_assert(offsetof(MaxPoolArgs, pool_d) == 144, "layout");
static_assert(offsetof(MaxPoolArgs, pool_h) == 148, "layout");
static_assert(offsetof(MaxPoolArgs, pool_w) == 152, "layout");
static_assert(offsetof(MaxPoolArgs, stride_d) == 156, "layout");
static_assert(offsetof(MaxPoolArgs, stride_h) == 160, "layout");
static_assert(offsetof(MaxPoolArgs, stride_w) == 164, "layout");
static_assert(offsetof(MaxPoolArgs, pad_front) == 168, "layout");
static_assert(offsetof(MaxPoolArgs, pad_back) == 172, "layout");
static_assert(offsetof(MaxPoolArgs, pad_top) == 176, "layout");
static_assert(offsetof(MaxPoolArgs, pad_bottom) == 180, "layout");
static_assert(offsetof(MaxPoolArgs, pad_left) == 184, "layout");
static_assert(offsetof(MaxPoolArgs, pad_right) == 188, "layout");
static_assert(sizeof(MaxPoolArgs) == 192, "layout");

struct alignas(8) MaxPoolDxArgs {
  Tensor dy;
  Tensor argmax;
  Tensor dx;
  int32_t pool_d;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_d;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_front;
  int32_t pad_back;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
};
static_assert(offsetof(MaxPoolDxArgs, dy) == 0, "layout");
static_assert(offsetof(MaxPoolDxArgs, argmax) == 48, "layout");
static_assert(offsetof(MaxPoolDxArgs, dx) == 96, "layout");
static_assert(offsetof(MaxPoolDxArgs, pool_d) == 144, "layout");
static_assert(offsetof(MaxPoolDxArgs, pool_h) == 148, "layout");
static_assert(offsetof(MaxPoolDxArgs, pool_w) == 152, "layout");
static_assert(offsetof(MaxPoolDxArgs, stride_d) == 156, "layout");
static_assert(offsetof(MaxPoolDxArgs, stride_h) == 160, "layout");
static_assert(offsetof(MaxPoolDxArgs, stride_w) == 164, "layout");
static_assert(offsetof(MaxPoolDxArgs, pad_front) == 168, "layout");
static_assert(offsetof(MaxPoolDxArgs, pad_back) == 172, "layout");
static_assert(offsetof(MaxPoolDxArgs, pad_top) == 176, "layout");
static_assert(offsetof(MaxPoolDxArgs, pad_bottom) == 180, "layout");
static_assert(offsetof(MaxPoolDxArgs, pad_left) == 184, "layout");
static_assert(offsetof(MaxPoolDxArgs, pad_right) == 188, "layout");
static_assert(offsetof(MaxPoolDxArgs, shape) == 192, "layout");
static_assert(sizeof(MaxPoolDxArgs) == 224, "layout");

struct alignas(8) MaxPoolAtArgs {
  Tensor x;
  Tensor argmax;
  Tensor y;
  int32_t pool_d;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_d;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_front;
  int32_t pad_back;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
};
static_assert(offsetof(MaxPoolAtArgs, x) == 0, "layout");
static_assert(offsetof(MaxPoolAtArgs, argmax) == 48, "layout");
static_assert(offsetof(MaxPoolAtArgs, y) == 96, "layout");
static_assert(offsetof(MaxPoolAtArgs, pool_d) == 144, "layout");
static_assert(offsetof(MaxPoolAtArgs, pool_h) == 148, "layout");
static_assert(offsetof(MaxPoolAtArgs, pool_w) == 152, "layout");
static_assert(offsetof(MaxPoolAtArgs, stride_d) == 156, "layout");
static_assert(offsetof(MaxPoolAtArgs, stride_h) == 160, "layout");
static_assert(offsetof(MaxPoolAtArgs, stride_w) == 164, "layout");
static_assert(offsetof(MaxPoolAtArgs, pad_front) == 168, "layout");
static_assert(offsetof(MaxPoolAtArgs, pad_back) == 172, "layout");
static_assert(offsetof(MaxPoolAtArgs, pad_top) == 176, "layout");
static_assert(offsetof(MaxPoolAtArgs, pad_bottom) == 180, "layout");
static_assert(offsetof(MaxPoolAtArgs, pad_left) == 184, "layout");
static_assert(offsetof(MaxPoolAtArgs, pad_right) == 188, "layout");
static_assert(sizeof(MaxPoolAtArgs) == 192, "layout");

}  // namespace gradstep
