// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) NadamArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor v;
  Tensor learning_rate;
  Tensor state;
  Tensor flag;
  Tensor fault;
  float beta1;
  float beta2;
  float epsilon;
  int32_t first;
};
static_assert(offsetof(NadamArgs, params) == 0, "layout");
static_assert(offsetof(NadamArgs, grads) == 48, "layout");
static_assert(offsetof(NadamArgs, m) == 96, "layout");
static_assert(offsetof(NadamArgs, v) == 144, "layout");
static_assert(offsetof(NadamArgs, learning_rate) == 192, "layout");
static_assert(offsetof(NadamArgs, state) == 240, "layout");
static_assert(offsetof(NadamArgs, flag) == 288, "layout");
static_assert(offsetof(NadamArgs, fault) == 336, "layout");
static_assert(offsetof(NadamArgs, beta1) == 384, "layout");
static_assert(offsetof(NadamArgs, beta2) == 388, "layout");
static_assert(offsetof(NadamArgs, epsilon) == 392, "layout");
static_assert(offsetof(NadamArgs, first) == 396, "layout");
static_assert(sizeof(NadamArgs) == 400, "layout");

}  // namespace gradstep
