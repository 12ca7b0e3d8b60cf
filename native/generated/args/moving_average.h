// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MovingAverageArgs {
  Tensor average;
  Tensor value;
  Tensor flag;
  float momentum;
  float rate;
};
static_assert(offsetof(MovingAverageArgs, average) == 0, "layout");
static_assert(offsetof(MovingAverageArgs, value) == 48, "layout");
static_assert(offsetof(MovingAverageArgs, flag) == 96, "layout");
static_assert(offsetof(MovingAverageArgs, momentum) == 144, "layout");
static_assert(offsetof(MovingAverageArgs, rate) == 148, "layout");
static_assert(sizeof(MovingAverageArgs) == 152, "layout");

}  // namespace gradstep
