// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ReduceMaxArgs {
  enum Mode : int32_t { kModeMax, kModeMin };
  Tensor x;
  Tensor y;
  Tensor at;
  int32_t mode;
};
static_assert(offsetof(ReduceMaxArgs, x) == 0, "layout");
static_assert(offsetof(ReduceMaxArgs, y) == 48, "layout");
static_assert(offsetof(ReduceMaxArgs, at) == 96, "layout");
static_assert(offsetof(ReduceMaxArgs, mode) == 144, "layout");
static_assert(sizeof(ReduceMaxArgs) == 152, "layout");

struct alignas(8) ReduceMaxDxArgs {
  Tensor dy;
  Tensor at;
  Tensor dx;
  int32_t accumulate_dx;
  int32_t length;
};
static_assert(offsetof(ReduceMaxDxArgs, dy) == 0, "layout");
static_assert(offsetof(ReduceMaxDxArgs, at) == 48, "layout");
static_assert(offsetof(ReduceMaxDxArgs, dx) == 96, "layout");
static_assert(offsetof(ReduceMaxDxArgs, accumulate_dx) == 144, "layout");
static_assert(offsetof(ReduceMaxDxArgs, length) == 148, "layout");
static_assert(sizeof(ReduceMaxDxArgs) == 152, "layout");

}  // namespace gradstep
