// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AdamArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor v;
  Tensor v_max;
  Tensor learning_rate;
  Tensor state;
  Tensor flag;
  Tensor fault;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;
  int32_t first;
};
static_assert(offsetof(AdamArgs, params) == 0, "layout");
static_assert(offsetof(AdamArgs, grads) == 48, "layout");
static_assert(offsetof(AdamArgs, m) == 96, "layout");
static_assert(offsetof(AdamArgs, v) == 144, "layout");
static_assert(offsetof(AdamArgs, v_max) == 192, "layout");
static_assert(offsetof(AdamArgs, learning_rate) == 240, "layout");
static_assert(offsetof(AdamArgs, state) == 288, "layout");
static_assert(offsetof(AdamArgs, flag) == 336, "layout");
static_assert(offsetof(AdamArgs, fault) == 384, "layout");
static_assert(offsetof(AdamArgs, beta1) == 432, "layout");
static_assert(offsetof(AdamArgs, beta2) == 436, "layout");
static_assert(offsetof(AdamArgs, epsilon) == 440, "layout");
static_assert(offsetof(AdamArgs, weight_decay) == 444, "layout");
static_assert(offsetof(AdamArgs, first) == 448, "layout");
static_assert(sizeof(AdamArgs) == 456, "layout");

}  // namespace gradstep
