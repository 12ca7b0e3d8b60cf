// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ConcatArgs {
  Tensor in0;
  Tensor in1;
  Tensor in2;
  Tensor in3;
  Tensor in4;
  Tensor in5;
  Tensor in6;
  Tensor in7;
  Tensor y;
};
static_assert(offsetof(ConcatArgs, in0) == 0, "layout");
static_assert(offsetof(ConcatArgs, in1) == 48, "layout");
static_assert(offsetof(ConcatArgs, in2) == 96, "layout");
static_assert(offsetof(ConcatArgs, in3) == 144, "layout");
static_assert(offsetof(ConcatArgs, in4) == 192, "layout");
static_assert(offsetof(ConcatArgs, in5) == 240, "layout");
static_assert(offsetof(ConcatArgs, in6) == 288, "layout");
static_assert(offsetof(ConcatArgs, in7) == 336, "layout");
static_assert(offsetof(ConcatArgs, y) == 384, "layout");
static_assert(sizeof(ConcatArgs) == 432, "layout");

}  // namespace gradstep
