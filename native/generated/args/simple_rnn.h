// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) SimpleRnnArgs {
  enum Direction : int32_t { kDirectionForward, kDirectionBackward, kDirectionReversed };
  enum Activation : int32_t { kActivationLinear, kActivationRelu, kActivationRelu6, kActivationTanh, kActivationSigmoid, kActivationHardSigmoid, kActivationSoftsign, kActivationSoftplus, kActivationElu, kActivationSelu, kActivationExponential };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor xw;
  Tensor u;
  Tensor h0;
  Tensor mask;
  Tensor keep;
  Tensor y;
  Tensor h;
  Tensor h_prev;
  int32_t direction;
  int32_t activation;
  int32_t precision;
};
static_assert(offsetof(SimpleRnnArgs, xw) == 0, "layout");
static_assert(offsetof(SimpleRnnArgs, u) == 48, "layout");
static_assert(offsetof(SimpleRnnArgs, h0) == 96, "layout");
static_assert(offsetof(SimpleRnnArgs, mask) == 144, "layout");
static_assert(offsetof(SimpleRnnArgs, keep) == 192, "layout");
static_assert(offsetof(SimpleRnnArgs, y) == 240, "layout");
static_assert(offsetof(SimpleRnnArgs, h) == 288, "layout");
static_assert(offsetof(SimpleRnnArgs, h_prev) == 336, "layout");
static_assert(offsetof(SimpleRnnArgs, direction) == 384, "layout");
static_assert(offsetof(SimpleRnnArgs, activation) == 388, "layout");
static_assert(offsetof(SimpleRnnArgs, precision) == 392, "layout");
static_assert(sizeof(SimpleRnnArgs) == 400, "layout");

struct alignas(8) SimpleRnnDxArgs {
  enum Direction : int32_t { kDirectionForward, kDirectionBackward, kDirectionReversed };
  enum Activation : int32_t { kActivationLinear, kActivationRelu, kActivationRelu6, kActivationTanh, kActivationSigmoid, kActivationHardSigmoid, kActivationSoftsign, kActivationSoftplus, kActivationElu, kActivationSelu, kActivationExponential };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor u;
  Tensor y;
  Tensor h0;
  Tensor mask;
  Tensor keep;
  Tensor dy;
  Tensor dh;
  Tensor dxw;
  Tensor dh0;
  int32_t direction;
  int32_t activation;
  int32_t precision;
};
static_assert(offsetof(SimpleRnnDxArgs, u) == 0, "layout");
static_assert(offsetof(SimpleRnnDxArgs, y) == 48, "layout");
static_assert(offsetof(SimpleRnnDxArgs, h0) == 96, "layout");
static_assert(offsetof(SimpleRnnDxArgs, mask) == 144, "layout");
static_assert(offsetof(SimpleRnnDxArgs, keep) == 192, "layout");
static_assert(offsetof(SimpleRnnDxArgs, dy) == 240, "layout");
static_assert(offsetof(SimpleRnnDxArgs, dh) == 288, "layout");
static_assert(offsetof(SimpleRnnDxArgs, dxw) == 336, "layout");
static_assert(offsetof(SimpleRnnDxArgs, dh0) == 384, "layout");
static_assert(offsetof(SimpleRnnDxArgs, direction) == 432, "layout");
static_assert(offsetof(SimpleRnnDxArgs, activation) == 436, "layout");
static_assert(offsetof(SimpleRnnDxArgs, precision) == 440, "layout");
static_assert(sizeof(SimpleRnnDxArgs) == 448, "layout");

}  // namespace gradstep
