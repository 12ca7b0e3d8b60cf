// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) TargetRankArgs {
  Tensor x;
  Tensor target;
  Tensor y;
};
static_assert(offsetof(TargetRankArgs, x) == 0, "layout");
static_assert(offsetof(TargetRankArgs, target) == 48, "layout");
static_assert(offsetof(TargetRankArgs, y) == 96, "layout");
static_assert(sizeof(TargetRankArgs) == 144, "layout");

}  // namespace gradstep
