// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ReverseArgs {
  Tensor x;
  Tensor y;
};
static_assert(offsetof(ReverseArgs, x) == 0, "layout");
static_assert(offsetof(ReverseArgs, y) == 48, "layout");
static_assert(sizeof(ReverseArgs) == 96, "layout");

}  // namespace gradstep
