// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ConvArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor x;
  Tensor w;
  Tensor bias;
  Tensor y;
  int32_t stride_d;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_front;
  int32_t pad_back;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  int32_t dilation_d;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t groups;
  int32_t activation;
  int32_t precision;
};
static_assert(offsetof(ConvArgs, x) == 0, "layout");
static_assert(offsetof(ConvArgs, w) == 48, "layout");
static_assert(offsetof(ConvArgs, bias) == 96, "layout");
static_assert(offsetof(ConvArgs, y) == 144, "layout");
static_assert(offsetof(ConvArgs, stride_d) == 192, "layout");
static_assert(offsetof(ConvArgs, stride_h) == 196, "layout");
static_assert(offsetof(ConvArgs, stride_w) == 200, "layout");
static_assert(offsetof(ConvArgs, pad_front) == 204, "layout");
static_assert(offsetof(ConvArgs, pad_back) == 208, "layout");
static_assert(offsetof(ConvArgs, pad_top) == 212, "layout");
static_assert(offsetof(ConvArgs, pad_bottom) == 216, "layout");
static_assert(offsetof(ConvArgs, pad_left) == 220, "layout");
static_assert(offsetof(ConvArgs, pad_right) == 224, "layout");
static_assert(offsetof(ConvArgs, dilation_d) == 228, "layout");
static_assert(offsetof(ConvArgs, dilation_h) == 232, "layout");
static_assert(offsetof(ConvArgs, dilation_w) == 236, "layout");
static_assert(offsetof(ConvArgs, groups) == 240, "layout");
static_assert(offsetof(ConvArgs, activation) == 244, "layout");
static_assert(offsetof(ConvArgs, precision) == 248, "layout");
static_assert(sizeof(ConvArgs) == 256, "layout");

struct alignas(8) ConvDxArgs {
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor dy;
  Tensor w;
  Tensor mask;
  Tensor dx;
  int32_t accumulate_dx;
  int32_t stride_d;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_front;
  int32_t pad_back;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  int32_t dilation_d;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t groups;
  Dims shape;
  int32_t precision;
};
static_assert(offsetof(ConvDxArgs, dy) == 0, "layout");
static_assert(offsetof(ConvDxArgs, w) == 48, "layout");
static_assert(offsetof(ConvDxArgs, mask) == 96, "layout");
static_assert(offsetof(ConvDxArgs, dx) == 144, "layout");
static_assert(offsetof(ConvDxArgs, accumulate_dx) == 192, "layout");
static_assert(offsetof(ConvDxArgs, stride_d) == 196, "layout");
static_assert(offsetof(ConvDxArgs, stride_h) == 200, "layout");
static_assert(offsetof(ConvDxArgs, stride_w) == 204, "layout");
static_assert(offsetof(ConvDxArgs, pad_front) == 208, "layout");
static_assert(offsetof(ConvDxArgs, pad_back) == 212, "layout");
static_assert(offsetof(ConvDxArgs, pad_top) == 216, "layout");
static_assert(offsetof(ConvDxArgs, pad_bottom) == 220, "layout");
static_assert(offsetof(ConvDxArgs, pad_left) == 224, "layout");
static_assert(offsetof(ConvDxArgs, pad_right) == 228, "layout");
static_assert(offsetof(ConvDxArgs, dilation_d) == 232, "layout");
static_assert(offsetof(ConvDxArgs, dilation_h) == 236, "layout");
static_assert(offsetof(ConvDxArgs, dilation_w) == 240, "layout");
static_assert(offsetof(ConvDxArgs, groups) == 244, "layout");
static_assert(offsetof(ConvDxArgs, shape) == 248, "layout");
static_assert(offsetof(ConvDxArgs, precision) == 276, "layout");
static_assert(sizeof(ConvDxArgs) == 280, "layout");

struct alignas(8) ConvDwArgs {
  enum WithBias : int32_t { kWithBiasNo, kWithBiasYes };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor x;
  Tensor dy;
  Tensor dw;
  Tensor db;
  int32_t accumulate_dw;
  int32_t stride_d;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_front;
  int32_t pad_back;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  int32_t dilation_d;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t groups;
  Dims shape;
  int32_t with_bias;
  int32_t precision;
};
static_assert(offsetof(ConvDwArgs, x) == 0, "layout");
static_assert(offsetof(ConvDwArgs, dy) == 48, "layout");
static_assert(offsetof(ConvDwArgs, dw) == 96, "layout");
static_assert(offsetof(ConvDwArgs, db) == 144, "layout");
static_assert(offsetof(ConvDwArgs, accumulate_dw) == 192, "layout");
static_assert(offsetof(ConvDwArgs, stride_d) == 196, "layout");
static_assert(offsetof(ConvDwArgs, stride_h) == 200, "layout");
static_assert(offsetof(ConvDwArgs, stride_w) == 204, "layout");
static_assert(offsetof(ConvDwArgs, pad_front) == 208, "layout");
static_assert(offsetof(ConvDwArgs, pad_back) == 212, "layout");
static_assert(offsetof(ConvDwArgs, pad_top) == 216, "layout");
static_assert(offsetof(ConvDwArgs, pad_bottom) == 220, "layout");
static_assert(offsetof(ConvDwArgs, pad_left) == 224, "layout");
static_assert(offsetof(ConvDwArgs, pad_right) == 228, "layout");
static_assert(offsetof(ConvDwArgs, dilation_d) == 232, "layout");
static_assert(offsetof(ConvDwArgs, dilation_h) == 236, "layout");
static_assert(offsetof(ConvDwArgs, dilation_w) == 240, "layout");
static_assert(offsetof(ConvDwArgs, groups) == 244, "layout");
static_assert(offsetof(ConvDwArgs, shape) == 248, "layout");
static_assert(offsetof(ConvDwArgs, with_bias) == 276, "layout");
static_assert(offsetof(ConvDwArgs, precision) == 280, "layout");
static_assert(sizeof(ConvDwArgs) == 288, "layout");

}  // namespace gradstep
