// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) DropoutArgs {
  Tensor x;
  Tensor state;
  Tensor y;
  float rate;
  float factor;
  float offset;
  float dropped;
  uint32_t stream;
};
static_assert(offsetof(DropoutArgs, x) == 0, "layout");
static_assert(offsetof(DropoutArgs, state) == 48, "layout");
static_assert(offsetof(DropoutArgs, y) == 96, "layout");
static_assert(offsetof(DropoutArgs, rate) == 144, "layout");
static_assert(offsetof(DropoutArgs, factor) == 148, "layout");
static_assert(offsetof(DropoutArgs, offset) == 152, "layout");
static_assert(offsetof(DropoutArgs, dropped) == 156, "layout");
static_assert(offsetof(DropoutArgs, stream) == 160, "layout");
static_assert(sizeof(DropoutArgs) == 168, "layout");

}  // namespace gradstep
