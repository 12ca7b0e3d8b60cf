// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) RandomArgs {
  enum Distribution : int32_t { kDistributionUniform, kDistributionNormal };
  Tensor state;
  Tensor y;
  int32_t distribution;
  float offset;
  float scale;
  uint32_t stream;
  Dims shape;
};
static_assert(offsetof(RandomArgs, state) == 0, "layout");
static_assert(offsetof(RandomArgs, y) == 48, "layout");
static_assert(offsetof(RandomArgs, distribution) == 96, "layout");
static_assert(offsetof(RandomArgs, offset) == 100, "layout");
static_assert(offsetof(RandomArgs, scale) == 104, "layout");
static_assert(offsetof(RandomArgs, stream) == 108, "layout");
static_assert(offsetof(RandomArgs, shape) == 112, "layout");
static_assert(sizeof(RandomArgs) == 144, "layout");

}  // namespace gradstep
