// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) LionArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor learning_rate;
  Tensor flag;
  Tensor fault;
  float beta1;
  float beta2;
  int32_t first;
};
static_assert(offsetof(LionArgs, params) == 0, "layout");
static_assert(offsetof(LionArgs, grads) == 48, "layout");
static_assert(offsetof(LionArgs, m) == 96, "layout");
static_assert(offsetof(LionArgs, learning_rate) == 144, "layout");
static_assert(offsetof(LionArgs, flag) == 192, "layout");
static_assert(offsetof(LionArgs, fault) == 240, "layout");
static_assert(offsetof(LionArgs, beta1) == 288, "layout");
static_assert(offsetof(LionArgs, beta2) == 292, "layout");
static_assert(offsetof(LionArgs, first) == 296, "layout");
static_assert(sizeof(LionArgs) == 304, "layout");

}  // namespace gradstep
