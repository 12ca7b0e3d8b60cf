// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ArgmaxArgs {
  Tensor x;
  Tensor y;
};
static_assert(offsetof(ArgmaxArgs, x) == 0, "layout");
static_assert(offsetof(ArgmaxArgs, y) == 48, "layout");
static_assert(sizeof(ArgmaxArgs) == 96, "layout");

}  // namespace gradstep
