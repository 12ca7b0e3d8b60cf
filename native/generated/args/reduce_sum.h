// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ReduceSumArgs {
  Tensor x;
  Tensor y;
  int32_t accumulate_y;
  int32_t outer;
  int32_t length;
  int32_t inner;
  float scale;
  Dims shape;
};
static_assert(offsetof(ReduceSumArgs, x) == 0, "layout");
static_assert(offsetof(ReduceSumArgs, y) == 48, "layout");
static_assert(offsetof(ReduceSumArgs, accumulate_y) == 96, "layout");
static_assert(offsetof(ReduceSumArgs, outer) == 100, "layout");
static_assert(offsetof(ReduceSumArgs, length) == 104, "layout");
static_assert(offsetof(ReduceSumArgs, inner) == 108, "layout");
static_assert(offsetof(ReduceSumArgs, scale) == 112, "layout");
static_assert(offsetof(ReduceSumArgs, shape) == 116, "layout");
static_assert(sizeof(ReduceSumArgs) == 144, "layout");

}  // namespace gradstep
