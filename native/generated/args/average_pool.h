// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AveragePoolArgs {
  Tensor x;
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
static_assert(offsetof(AveragePoolArgs, x) == 0, "layout");
static_assert(offsetof(AveragePoolArgs, y) == 48, "layout");
static_assert(offsetof(AveragePoolArgs, pool_d) == 96, "layout");
static_assert(offsetof(AveragePoolArgs, pool_h) == 100, "layout");
static_assert(offsetof(AveragePoolArgs, pool_w) == 104, "layout");
static_assert(offsetof(AveragePoolArgs, stride_d) == 108, "layout");
static_assert(offsetof(AveragePoolArgs, stride_h) == 112, "layout");
static_assert(offsetof(AveragePoolArgs, stride_w) == 116, "layout");
static_assert(offsetof(AveragePoolArgs, pad_front) == 120, "layout");
static_assert(offsetof(AveragePoolArgs, pad_back) == 124, "layout");
static_assert(offsetof(AveragePoolArgs, pad_top) == 128, "layout");
static_assert(offsetof(AveragePoolArgs, pad_bottom) == 132, "layout");
static_assert(offsetof(AveragePoolArgs, pad_left) == 136, "layout");
static_assert(offsetof(AveragePoolArgs, pad_right) == 140, "layout");
static_assert(sizeof(AveragePoolArgs) == 144, "layout");

struct alignas(8) AveragePoolDxArgs {
  Tensor dy;
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
static_assert(offsetof(AveragePoolDxArgs, dy) == 0, "layout");
static_assert(offsetof(AveragePoolDxArgs, dx) == 48, "layout");
static_assert(offsetof(AveragePoolDxArgs, pool_d) == 96, "layout");
static_assert(offsetof(AveragePoolDxArgs, pool_h) == 100, "layout");
static_assert(offsetof(AveragePoolDxArgs, pool_w) == 104, "layout");
static_assert(offsetof(AveragePoolDxArgs, stride_d) == 108, "layout");
static_assert(offsetof(AveragePoolDxArgs, stride_h) == 112, "layout");
static_assert(offsetof(AveragePoolDxArgs, stride_w) == 116, "layout");
static_assert(offsetof(AveragePoolDxArgs, pad_front) == 120, "layout");
static_assert(offsetof(AveragePoolDxArgs, pad_back) == 124, "layout");
static_assert(offsetof(AveragePoolDxArgs, pad_top) == 128, "layout");
static_assert(offsetof(AveragePoolDxArgs, pad_bottom) == 132, "layout");
static_assert(offsetof(AveragePoolDxArgs, pad_left) == 136, "layout");
static_assert(offsetof(AveragePoolDxArgs, pad_right) == 140, "layout");
static_assert(offsetof(AveragePoolDxArgs, shape) == 144, "layout");
static_assert(sizeof(AveragePoolDxArgs) == 176, "layout");

}  // namespace gradstep
