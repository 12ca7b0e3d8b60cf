// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) DenseArgs {
  enum Activation : int32_t { kActivationRelu, kActivationGelu, kActivationLinear };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor x;
  Tensor w;
  Tensor bias;
  Tensor y;
  Tensor aux;
  int32_t activation;
  int32_t precision;
};
static_assert(offsetof(DenseArgs, x) == 0, "layout");
static_assert(offsetof(DenseArgs, w) == 48, "layout");
static_assert(offsetof(DenseArgs, bias) == 96, "layout");
static_assert(offsetof(DenseArgs, y) == 144, "layout");
static_assert(offsetof(DenseArgs, aux) == 192, "layout");
static_assert(offsetof(DenseArgs, activation) == 240, "layout");
static_assert(offsetof(DenseArgs, precision) == 244, "layout");
static_assert(sizeof(DenseArgs) == 248, "layout");

struct alignas(8) DenseDxArgs {
  enum Activation : int32_t { kActivationRelu, kActivationGelu };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor dy;
  Tensor w;
  Tensor aux;
  Tensor dx;
  Tensor sums;
  int32_t activation;
  int32_t precision;
};
static_assert(offsetof(DenseDxArgs, dy) == 0, "layout");
static_assert(offsetof(DenseDxArgs, w) == 48, "layout");
static_assert(offsetof(DenseDxArgs, aux) == 96, "layout");
static_assert(offsetof(DenseDxArgs, dx) == 144, "layout");
static_assert(offsetof(DenseDxArgs, sums) == 192, "layout");
static_assert(offsetof(DenseDxArgs, activation) == 240, "layout");
static_assert(offsetof(DenseDxArgs, precision) == 244, "layout");
static_assert(sizeof(DenseDxArgs) == 248, "layout");

struct alignas(8) DenseDwArgs {
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor x;
  Tensor dy;
  Tensor dw;
  Tensor dbias;
  int32_t precision;
};
static_assert(offsetof(DenseDwArgs, x) == 0, "layout");
static_assert(offsetof(DenseDwArgs, dy) == 48, "layout");
static_assert(offsetof(DenseDwArgs, dw) == 96, "layout");
static_assert(offsetof(DenseDwArgs, dbias) == 144, "layout");
static_assert(offsetof(DenseDwArgs, precision) == 192, "layout");
static_assert(sizeof(DenseDwArgs) == 200, "layout");

}  // namespace gradstep
