// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ClipByNormArgs {
  Tensor grads;
  Tensor begins;
  Tensor norms;
  float limit;
};
static_assert(offsetof(ClipByNormArgs, grads) == 0, "layout");
static_assert(offsetof(ClipByNormArgs, begins) == 48, "layout");
static_assert(offsetof(ClipByNormArgs, norms) == 96, "layout");
static_assert(offsetof(ClipByNormArgs, limit) == 144, "layout");
static_assert(sizeof(ClipByNormArgs) == 152, "layout");

}  // namespace gradstep
