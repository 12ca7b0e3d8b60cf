// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) StepCountArgs {
  Tensor count;
  Tensor y;
};
static_assert(offsetof(StepCountArgs, count) == 0, "layout");
static_assert(offsetof(StepCountArgs, y) == 48, "layout");
static_assert(sizeof(StepCountArgs) == 96, "layout");

}  // namespace gradstep
