// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AdamaxArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor u;
  Tensor learning_rate;
  Tensor state;
  Tensor flag;
  Tensor fault;
  float beta1;
  float beta2;
  float epsilon;
  int32_t first;
};
static_assert(offsetof(AdamaxArgs, params) == 0, "layout");
static_assert(offsetof(AdamaxArgs, grads) == 48, "layout");
static_assert(offsetof(AdamaxArgs, m) == 96, "layout");
static_assert(offsetof(AdamaxArgs, u) == 144, "layout");
static_assert(offsetof(AdamaxArgs, learning_rate) == 192, "layout");
static_assert(offsetof(AdamaxArgs, state) == 240, "layout");
static_assert(offsetof(AdamaxArgs, flag) == 288, "layout");
static_assert(offsetof(AdamaxArgs, fault) == 336, "layout");
static_assert(offsetof(AdamaxArgs, beta1) == 384, "layout");
static_assert(offsetof(AdamaxArgs, beta2) == 388, "layout");
static_assert(offsetof(AdamaxArgs, epsilon) == 392, "layout");
static_assert(offsetof(AdamaxArgs, first) == 396, "layout");
static_assert(sizeof(AdamaxArgs) == 400, "layout");

}  // namespace gradstep
