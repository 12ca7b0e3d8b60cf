// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) PadArgs {
  Tensor x;
  Tensor y;
  int32_t accumulate_y;
  Dims shape;
  int32_t before0;
  int32_t before1;
  int32_t before2;
  int32_t before3;
  int32_t before4;
  int32_t before5;
};
static_assert(offsetof(PadArgs, x) == 0, "layout");
static_assert(offsetof(PadArgs, y) == 48, "layout");
static_assert(offsetof(PadArgs, accumulate_y) == 96, "layout");
static_assert(offsetof(PadArgs, shape) == 100, "layout");
static_assert(offsetof(PadArgs, before0) == 128, "layout");
static_assert(offsetof(PadArgs, before1) == 132, "layout");
static_assert(offsetof(PadArgs, before2) == 136, "layout");
static_assert(offsetof(PadArgs, before3) == 140, "layout");
static_assert(offsetof(PadArgs, before4) == 144, "layout");
static_assert(offsetof(PadArgs, before5) == 148, "layout");
static_assert(sizeof(PadArgs) == 152, "layout");

}  // namespace gradstep
