// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ClipByValueArgs {
  Tensor grads;
  float limit;
};
static_assert(offsetof(ClipByValueArgs, grads) == 0, "layout");
static_assert(offsetof(ClipByValueArgs, limit) == 48, "layout");
static_assert(sizeof(ClipByValueArgs) == 56, "layout");

}  // namespace gradstep
