// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) NoiseArgs {
  enum Kind : int32_t { kKindAdd, kKindMultiply };
  Tensor x;
  Tensor state;
  Tensor y;
  int32_t kind;
  float stddev;
  uint32_t stream;
};
static_assert(offsetof(NoiseArgs, x) == 0, "layout");
static_assert(offsetof(NoiseArgs, state) == 48, "layout");
static_assert(offsetof(NoiseArgs, y) == 96, "layout");
static_assert(offsetof(NoiseArgs, kind) == 144, "layout");
static_assert(offsetof(NoiseArgs, stddev) == 148, "layout");
static_assert(offsetof(NoiseArgs, stream) == 152, "layout");
static_assert(sizeof(NoiseArgs) == 160, "layout");

}  // namespace gradstep
