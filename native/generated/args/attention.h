// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AttentionArgs {
  enum Causal : int32_t { kCausalNo, kCausalYes };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor q;
  Tensor k;
  Tensor v;
  Tensor mask;
  Tensor bias;
  Tensor state;
  Tensor y;
  Tensor lse;
  float scale;
  int32_t causal;
  float rate;
  uint32_t stream;
  int32_t precision;
};
static_assert(offsetof(AttentionArgs, q) == 0, "layout");
static_assert(offsetof(AttentionArgs, k) == 48, "layout");
static_assert(offsetof(AttentionArgs, v) == 96, "layout");
static_assert(offsetof(AttentionArgs, mask) == 144, "layout");
static_assert(offsetof(AttentionArgs, bias) == 192, "layout");
static_assert(offsetof(AttentionArgs, state) == 240, "layout");
static_assert(offsetof(AttentionArgs, y) == 288, "layout");
static_assert(offsetof(AttentionArgs, lse) == 336, "layout");
static_assert(offsetof(AttentionArgs, scale) == 384, "layout");
static_assert(offsetof(AttentionArgs, causal) == 388, "layout");
static_assert(offsetof(AttentionArgs, rate) == 392, "layout");
static_assert(offsetof(AttentionArgs, stream) == 396, "layout");
static_assert(offsetof(AttentionArgs, precision) == 400, "layout");
static_assert(sizeof(AttentionArgs) == 408, "layout");

struct alignas(8) AttentionDxArgs {
  enum Causal : int32_t { kCausalNo, kCausalYes };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor q;
  Tensor k;
  Tensor v;
  Tensor mask;
  Tensor bias;
  Tensor state;
  Tensor y;
  Tensor lse;
  Tensor dy;
  Tensor dq;
  Tensor dk;
  Tensor dv;
  float scale;
  int32_t causal;
  float rate;
  uint32_t stream;
  int32_t precision;
};
static_assert(offsetof(AttentionDxArgs, q) == 0, "layout");
static_assert(offsetof(AttentionDxArgs, k) == 48, "layout");
static_assert(offsetof(AttentionDxArgs, v) == 96, "layout");
static_assert(offsetof(AttentionDxArgs, mask) == 144, "layout");
static_assert(offsetof(AttentionDxArgs, bias) == 192, "layout");
static_assert(offsetof(AttentionDxArgs, state) == 240, "layout");
static_assert(offsetof(AttentionDxArgs, y) == 288, "layout");
static_assert(offsetof(AttentionDxArgs, lse) == 336, "layout");
static_assert(offsetof(AttentionDxArgs, dy) == 384, "layout");
static_assert(offsetof(AttentionDxArgs, dq) == 432, "layout");
static_assert(offsetof(AttentionDxArgs, dk) == 480, "layout");
static_assert(offsetof(AttentionDxArgs, dv) == 528, "layout");
static_assert(offsetof(AttentionDxArgs, scale) == 576, "layout");
static_assert(offsetof(AttentionDxArgs, causal) == 580, "layout");
static_assert(offsetof(AttentionDxArgs, rate) == 584, "layout");
static_assert(offsetof(AttentionDxArgs, stream) == 588, "layout");
static_assert(offsetof(AttentionDxArgs, precision) == 592, "layout");
static_assert(sizeof(AttentionDxArgs) == 600, "layout");

}  // namespace gradstep
