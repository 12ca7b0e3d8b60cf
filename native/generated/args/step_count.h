// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) StepCountArgs {
  Tensor state;
  Tensor y;
  int32_t every;
};
static_assert(offsetof(StepCountArgs, state) == 0, "layout");
static_assert(offsetof(StepCountArgs, y) == 48, "layout");
static_assert(offsetof(StepCountArgs, every) == 96, "layout");
static_assert(sizeof(StepCountArgs) == 104, "layout");

}  // namespace gradstep
