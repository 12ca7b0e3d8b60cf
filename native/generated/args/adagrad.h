// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AdagradArgs {
  Tensor params;
  Tensor grads;
  Tensor sum;
  Tensor learning_rate;
  Tensor flag;
  Tensor fault;
  float initial;
  float epsilon;
  int32_t first;
};
static_assert(offsetof(AdagradArgs, params) == 0, "layout");
static_assert(offsetof(AdagradArgs, grads) == 48, "layout");
static_assert(offsetof(AdagradArgs, sum) == 96, "layout");
static_assert(offsetof(AdagradArgs, learning_rate) == 144, "layout");
static_assert(offsetof(AdagradArgs, flag) == 192, "layout");
static_assert(offsetof(AdagradArgs, fault) == 240, "layout");
static_assert(offsetof(AdagradArgs, initial) == 288, "layout");
static_assert(offsetof(AdagradArgs, epsilon) == 292, "layout");
static_assert(offsetof(AdagradArgs, first) == 296, "layout");
static_assert(sizeof(AdagradArgs) == 304, "layout");

}  // namespace gradstep
