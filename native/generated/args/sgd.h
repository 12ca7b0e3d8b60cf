// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) SgdArgs {
  enum Nesterov : int32_t { kNesterovNo, kNesterovYes };
  Tensor params;
  Tensor grads;
  Tensor velocity;
  Tensor learning_rate;
  Tensor flag;
  Tensor fault;
  float momentum;
  int32_t nesterov;
  int32_t first;
};
static_assert(offsetof(SgdArgs, params) == 0, "layout");
static_assert(offsetof(SgdArgs, grads) == 48, "layout");
static_assert(offsetof(SgdArgs, velocity) == 96, "layout");
static_assert(offsetof(SgdArgs, learning_rate) == 144, "layout");
static_assert(offsetof(SgdArgs, flag) == 192, "layout");
static_assert(offsetof(SgdArgs, fault) == 240, "layout");
static_assert(offsetof(SgdArgs, momentum) == 288, "layout");
static_assert(offsetof(SgdArgs, nesterov) == 292, "layout");
static_assert(offsetof(SgdArgs, first) == 296, "layout");
static_assert(sizeof(SgdArgs) == 304, "layout");

}  // namespace gradstep
