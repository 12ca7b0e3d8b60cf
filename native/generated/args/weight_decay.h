// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) WeightDecayArgs {
  Tensor params;
  Tensor learning_rate;
  Tensor flag;
  float decay;
};
static_assert(offsetof(WeightDecayArgs, params) == 0, "layout");
static_assert(offsetof(WeightDecayArgs, learning_rate) == 48, "layout");
static_assert(offsetof(WeightDecayArgs, flag) == 96, "layout");
static_assert(offsetof(WeightDecayArgs, decay) == 144, "layout");
static_assert(sizeof(WeightDecayArgs) == 152, "layout");

}  // namespace gradstep
