// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) TransposeArgs {
  Tensor x;
  Tensor y;
  Dims order;
};
static_assert(offsetof(TransposeArgs, x) == 0, "layout");
static_assert(offsetof(TransposeArgs, y) == 48, "layout");
static_assert(offsetof(TransposeArgs, order) == 96, "layout");
static_assert(sizeof(TransposeArgs) == 128, "layout");

}  // namespace gradstep
