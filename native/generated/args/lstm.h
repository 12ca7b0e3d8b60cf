// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) LstmArgs {
  enum Direction : int32_t { kDirectionForward, kDirectionBackward, kDirectionReversed };
  enum Activation : int32_t { kActivationLinear, kActivationRelu, kActivationRelu6, kActivationTanh, kActivationSigmoid, kActivationHardSigmoid, kActivationSoftsign, kActivationSoftplus, kActivationElu, kActivationSelu, kActivationExponential };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  enum RecurrentActivation : int32_t { kRecurrentActivationLinear, kRecurrentActivationRelu, kRecurrentActivationRelu6, kRecurrentActivationTanh, kRecurrentActivationSigmoid, kRecurrentActivationHardSigmoid, kRecurrentActivationSoftsign, kRecurrentActivationSoftplus, kRecurrentActivationElu, kRecurrentActivationSelu, kRecurrentActivationExponential };
  Tensor xw;
  Tensor u;
  Tensor h0;
  Tensor c0;
  Tensor mask;
  Tensor keep;
  Tensor y;
  Tensor h;
  Tensor c;
  Tensor gates;
  Tensor cells;
  Tensor h_prev;
  int32_t direction;
  int32_t activation;
  int32_t precision;
  int32_t recurrent_activation;
};
static_assert(offsetof(LstmArgs, xw) == 0, "layout");
static_assert(offsetof(LstmArgs, u) == 48, "layout");
static_assert(offsetof(LstmArgs, h0) == 96, "layout");
static_assert(offsetof(LstmArgs, c0) == 144, "layout");
static_assert(offsetof(LstmArgs, mask) == 192, "layout");
static_assert(offsetof(LstmArgs, keep) == 240, "layout");
static_assert(offsetof(LstmArgs, y) == 288, "layout");
static_assert(offsetof(LstmArgs, h) == 336, "layout");
static_assert(offsetof(LstmArgs, c) == 384, "layout");
static_assert(offsetof(LstmArgs, gates) == 432, "layout");
static_assert(offsetof(LstmArgs, cells) == 480, "layout");
static_assert(offsetof(LstmArgs, h_prev) == 528, "layout");
static_assert(offsetof(LstmArgs, direction) == 576, "layout");
static_assert(offsetof(LstmArgs, activation) == 580, "layout");
static_assert(offsetof(LstmArgs, precision) == 584, "layout");
static_assert(offsetof(LstmArgs, recurrent_activation) == 588, "layout");
static_assert(sizeof(LstmArgs) == 592, "layout");

struct alignas(8) LstmDxArgs {
  enum Direction : int32_t { kDirectionForward, kDirectionBackward, kDirectionReversed };
  enum Activation : int32_t { kActivationLinear, kActivationRelu, kActivationRelu6, kActivationTanh, kActivationSigmoid, kActivationHardSigmoid, kActivationSoftsign, kActivationSoftplus, kActivationElu, kActivationSelu, kActivationExponential };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  enum RecurrentActivation : int32_t { kRecurrentActivationLinear, kRecurrentActivationRelu, kRecurrentActivationRelu6, kRecurrentActivationTanh, kRecurrentActivationSigmoid, kRecurrentActivationHardSigmoid, kRecurrentActivationSoftsign, kRecurrentActivationSoftplus, kRecurrentActivationElu, kRecurrentActivationSelu, kRecurrentActivationExponential };
  Tensor u;
  Tensor gates;
  Tensor cells;
  Tensor h0;
  Tensor c0;
  Tensor mask;
  Tensor keep;
  Tensor dy;
  Tensor dh;
  Tensor dc;
  Tensor dxw;
  Tensor dh0;
  Tensor dc0;
  int32_t direction;
  int32_t activation;
  int32_t precision;
  int32_t recurrent_activation;
};
static_assert(offsetof(LstmDxArgs, u) == 0, "layout");
static_assert(offsetof(LstmDxArgs, gates) == 48, "layout");
static_assert(offsetof(LstmDxArgs, cells) == 96, "layout");
static_assert(offsetof(LstmDxArgs, h0) == 144, "layout");
static_assert(offsetof(LstmDxArgs, c0) == 192, "layout");
static_assert(offsetof(LstmDxArgs, mask) == 240, "layout");
static_assert(offsetof(LstmDxArgs, keep) == 288, "layout");
static_assert(offsetof(LstmDxArgs, dy) == 336, "layout");
static_assert(offsetof(LstmDxArgs, dh) == 384, "layout");
static_assert(offsetof(LstmDxArgs, dc) == 432, "layout");
static_assert(offsetof(LstmDxArgs, dxw) == 480, "layout");
static_assert(offsetof(LstmDxArgs, dh0) == 528, "layout");
static_assert(offsetof(LstmDxArgs, dc0) == 576, "layout");
static_assert(offsetof(LstmDxArgs, direction) == 624, "layout");
static_assert(offsetof(LstmDxArgs, activation) == 628, "layout");
static_assert(offsetof(LstmDxArgs, precision) == 632, "layout");
static_assert(offsetof(LstmDxArgs, recurrent_activation) == 636, "layout");
static_assert(sizeof(LstmDxArgs) == 640, "layout");

}  // namespace gradstep
