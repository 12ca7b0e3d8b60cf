// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) TopMaskArgs {
  Tensor x;
  Tensor y;
  Tensor at;
  int32_t k;
};
static_assert(offsetof(TopMaskArgs, x) == 0, "layout");
static_assert(offsetof(TopMaskArgs, y) == 48, "layout");
static_assert(offsetof(TopMaskArgs, at) == 96, "layout");
static_assert(offsetof(TopMaskArgs, k) == 144, "layout");
static_assert(sizeof(TopMaskArgs) == 152, "layout");

}  // namespace gradstep
