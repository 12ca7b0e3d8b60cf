// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ToInt32Args {
  Tensor x;
  Tensor y;
};
static_assert(offsetof(ToInt32Args, x) == 0, "layout");
static_assert(offsetof(ToInt32Args, y) == 48, "layout");
static_assert(sizeof(ToInt32Args) == 96, "layout");

}  // namespace gradstep
