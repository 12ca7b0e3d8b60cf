// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) GruArgs {
  enum Direction : int32_t { kDirectionForward, kDirectionBackward, kDirectionReversed };
  enum Activation : int32_t { kActivationLinear, kActivationRelu, kActivationRelu6, kActivationTanh, kActivationSigmoid, kActivationHardSigmoid, kActivationSoftsign, kActivationSoftplus, kActivationElu, kActivationSelu, kActivationExponential };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  enum RecurrentActivation : int32_t { kRecurrentActivationLinear, kRecurrentActivationRelu, kRecurrentActivationRelu6, kRecurrentActivationTanh, kRecurrentActivationSigmoid, kRecurrentActivationHardSigmoid, kRecurrentActivationSoftsign, kRecurrentActivationSoftplus, kRecurrentActivationElu, kRecurrentActivationSelu, kRecurrentActivationExponential };
  enum Reset : int32_t { kResetAfter, kResetBefore };
  Tensor xw;
  Tensor u;
  Tensor bias;
  Tensor h0;
  Tensor mask;
  Tensor keep;
  Tensor y;
  Tensor h;
  Tensor gates;
  Tensor inner;
  Tensor h_prev;
  int32_t direction;
  int32_t activation;
  int32_t precision;
  int32_t recurrent_activation;
  int32_t reset;
};
static_assert(offsetof(GruArgs, xw) == 0, "layout");
static_assert(offsetof(GruArgs, u) == 48, "layout");
static_assert(offsetof(GruArgs, bias) == 96, "layout");
static_assert(offsetof(GruArgs, h0) == 144, "layout");
static_assert(offsetof(GruArgs, mask) == 192, "layout");
static_assert(offsetof(GruArgs, keep) == 240, "layout");
static_assert(offsetof(GruArgs, y) == 288, "layout");
static_assert(offsetof(GruArgs, h) == 336, "layout");
static_assert(offsetof(GruArgs, gates) == 384, "layout");
static_assert(offsetof(GruArgs, inner) == 432, "layout");
static_assert(offsetof(GruArgs, h_prev) == 480, "layout");
static_assert(offsetof(GruArgs, direction) == 528, "layout");
static_assert(offsetof(GruArgs, activation) == 532, "layout");
static_assert(offsetof(GruArgs, precision) == 536, "layout");
static_assert(offsetof(GruArgs, recurrent_activation) == 540, "layout");
static_assert(offsetof(GruArgs, reset) == 544, "layout");
static_assert(sizeof(GruArgs) == 552, "layout");

struct alignas(8) GruDxArgs {
  enum Direction : int32_t { kDirectionForward, kDirectionBackward, kDirectionReversed };
  enum Activation : int32_t { kActivationLinear, kActivationRelu, kActivationRelu6, kActivationTanh, kActivationSigmoid, kActivationHardSigmoid, kActivationSoftsign, kActivationSoftplus, kActivationElu, kActivationSelu, kActivationExponential };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  enum RecurrentActivation : int32_t { kRecurrentActivationLinear, kRecurrentActivationRelu, kRecurrentActivationRelu6, kRecurrentActivationTanh, kRecurrentActivationSigmoid, kRecurrentActivationHardSigmoid, kRecurrentActivationSoftsign, kRecurrentActivationSoftplus, kRecurrentActivationElu, kRecurrentActivationSelu, kRecurrentActivationExponential };
  enum Reset : int32_t { kResetAfter, kResetBefore };
  Tensor u;
  Tensor gates;
  Tensor inner;
  Tensor h_prev;
  Tensor h0;
  Tensor mask;
  Tensor keep;
  Tensor dy;
  Tensor dh;
  Tensor dxw;
  Tensor dhw;
  Tensor dh0;
  int32_t direction;
  int32_t activation;
  int32_t precision;
  int32_t recurrent_activation;
  int32_t reset;
};
static_assert(offsetof(GruDxArgs, u) == 0, "layout");
static_assert(offsetof(GruDxArgs, gates) == 48, "layout");
static_assert(offsetof(GruDxArgs, inner) == 96, "layout");
static_assert(offsetof(GruDxArgs, h_prev) == 144, "layout");
static_assert(offsetof(GruDxArgs, h0) == 192, "layout");
static_assert(offsetof(GruDxArgs, mask) == 240, "layout");
static_assert(offsetof(GruDxArgs, keep) == 288, "layout");
static_assert(offsetof(GruDxArgs, dy) == 336, "layout");
static_assert(offsetof(GruDxArgs, dh) == 384, "layout");
static_assert(offsetof(GruDxArgs, dxw) == 432, "layout");
static_assert(offsetof(GruDxArgs, dhw) == 480, "layout");
static_assert(offsetof(GruDxArgs, dh0) == 528, "layout");
static_assert(offsetof(GruDxArgs, direction) == 576, "layout");
static_assert(offsetof(GruDxArgs, activation) == 580, "layout");
static_assert(offsetof(GruDxArgs, precision) == 584, "layout");
static_assert(offsetof(GruDxArgs, recurrent_activation) == 588, "layout");
static_assert(offsetof(GruDxArgs, reset) == 592, "layout");
static_assert(sizeof(GruDxArgs) == 600, "layout");

}  // namespace gradstep
