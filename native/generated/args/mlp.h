// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MlpArgs {
  enum Activation1 : int32_t { kActivation1Linear, kActivation1Relu, kActivation1Tanh, kActivation1Sigmoid };
  enum Activation2 : int32_t { kActivation2Linear, kActivation2Relu, kActivation2Tanh, kActivation2Sigmoid };
  enum Activation3 : int32_t { kActivation3Linear, kActivation3Relu, kActivation3Tanh, kActivation3Sigmoid };
  enum Activation4 : int32_t { kActivation4Linear, kActivation4Relu, kActivation4Tanh, kActivation4Sigmoid };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor x;
  Tensor w1;
  Tensor w2;
  Tensor w3;
  Tensor w4;
  Tensor bias1;
  Tensor bias2;
  Tensor bias3;
  Tensor bias4;
  Tensor y1;
  Tensor y2;
  Tensor y3;
  Tensor y4;
  int32_t activation1;
  int32_t activation2;
  int32_t activation3;
  int32_t activation4;
  int32_t precision;
};
static_assert(offsetof(MlpArgs, x) == 0, "layout");
static_assert(offsetof(MlpArgs, w1) == 48, "layout");
static_assert(offsetof(MlpArgs, w2) == 96, "layout");
static_assert(offsetof(MlpArgs, w3) == 144, "layout");
static_assert(offsetof(MlpArgs, w4) == 192, "layout");
static_assert(offsetof(MlpArgs, bias1) == 240, "layout");
static_assert(offsetof(MlpArgs, bias2) == 288, "layout");
static_assert(offsetof(MlpArgs, bias3) == 336, "layout");
static_assert(offsetof(MlpArgs, bias4) == 384, "layout");
static_assert(offsetof(MlpArgs, y1) == 432, "layout");
static_assert(offsetof(MlpArgs, y2) == 480, "layout");
static_assert(offsetof(MlpArgs, y3) == 528, "layout");
static_assert(offsetof(MlpArgs, y4) == 576, "layout");
static_assert(offsetof(MlpArgs, activation1) == 624, "layout");
static_assert(offsetof(MlpArgs, activation2) == 628, "layout");
static_assert(offsetof(MlpArgs, activation3) == 632, "layout");
static_assert(offsetof(MlpArgs, activation4) == 636, "layout");
static_assert(offsetof(MlpArgs, precision) == 640, "layout");
static_assert(sizeof(MlpArgs) == 648, "layout");

struct alignas(8) MlpGradArgs {
  enum Activation1 : int32_t { kActivation1Linear, kActivation1Relu, kActivation1Tanh, kActivation1Sigmoid };
  enum Activation2 : int32_t { kActivation2Linear, kActivation2Relu, kActivation2Tanh, kActivation2Sigmoid };
  enum Activation3 : int32_t { kActivation3Linear, kActivation3Relu, kActivation3Tanh, kActivation3Sigmoid };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor dz;
  Tensor x;
  Tensor y1;
  Tensor y2;
  Tensor y3;
  Tensor w1;
  Tensor w2;
  Tensor w3;
  Tensor w4;
  Tensor dw1;
  Tensor dw2;
  Tensor dw3;
  Tensor dw4;
  Tensor dbias1;
  Tensor dbias2;
  Tensor dbias3;
  Tensor dbias4;
  Tensor dx;
  int32_t activation1;
  int32_t activation2;
  int32_t activation3;
  int32_t precision;
};
static_assert(offsetof(MlpGradArgs, dz) == 0, "layout");
static_assert(offsetof(MlpGradArgs, x) == 48, "layout");
static_assert(offsetof(MlpGradArgs, y1) == 96, "layout");
static_assert(offsetof(MlpGradArgs, y2) == 144, "layout");
static_assert(offsetof(MlpGradArgs, y3) == 192, "layout");
static_assert(offsetof(MlpGradArgs, w1) == 240, "layout");
static_assert(offsetof(MlpGradArgs, w2) == 288, "layout");
static_assert(offsetof(MlpGradArgs, w3) == 336, "layout");
static_assert(offsetof(MlpGradArgs, w4) == 384, "layout");
static_assert(offsetof(MlpGradArgs, dw1) == 432, "layout");
static_assert(offsetof(MlpGradArgs, dw2) == 480, "layout");
static_assert(offsetof(MlpGradArgs, dw3) == 528, "layout");
static_assert(offsetof(MlpGradArgs, dw4) == 576, "layout");
static_assert(offsetof(MlpGradArgs, dbias1) == 624, "layout");
static_assert(offsetof(MlpGradArgs, dbias2) == 672, "layout");
static_assert(offsetof(MlpGradArgs, dbias3) == 720, "layout");
static_assert(offsetof(MlpGradArgs, dbias4) == 768, "layout");
static_assert(offsetof(MlpGradArgs, dx) == 816, "layout");
static_assert(offsetof(MlpGradArgs, activation1) == 864, "layout");
static_assert(offsetof(MlpGradArgs, activation2) == 868, "layout");
static_assert(offsetof(MlpGradArgs, activation3) == 872, "layout");
static_assert(offsetof(MlpGradArgs, precision) == 876, "layout");
static_assert(sizeof(MlpGradArgs) == 880, "layout");

}  // namespace gradstep
