// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MetricSumArgs {
  enum Guard : int32_t { kGuardNo, kGuardYes };
  Tensor x;
  Tensor weights;
  Tensor state;
  Tensor total;
  Tensor flag;
  int32_t guard;
  int32_t terms;
  int32_t at;
};
static_assert(offsetof(MetricSumArgs, x) == 0, "layout");
static_assert(offsetof(MetricSumArgs, weights) == 48, "layout");
static_assert(offsetof(MetricSumArgs, state) == 96, "layout");
static_assert(offsetof(MetricSumArgs, total) == 144, "layout");
static_assert(offsetof(MetricSumArgs, flag) == 192, "layout");
static_assert(offsetof(MetricSumArgs, guard) == 240, "layout");
static_assert(offsetof(MetricSumArgs, terms) == 244, "layout");
static_assert(offsetof(MetricSumArgs, at) == 248, "layout");
static_assert(sizeof(MetricSumArgs) == 256, "layout");

}  // namespace gradstep
