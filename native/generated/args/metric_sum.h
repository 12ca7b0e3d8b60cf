// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MetricSumArgs {
  enum Guard : int32_t { kGuardNo, kGuardYes };
  Tensor x;
  Tensor state;
  Tensor total;
  Tensor flag;
  int32_t guard;
};
static_assert(offsetof(MetricSumArgs, x) == 0, "layout");
static_assert(offsetof(MetricSumArgs, state) == 48, "layout");
static_assert(offsetof(MetricSumArgs, total) == 96, "layout");
static_assert(offsetof(MetricSumArgs, flag) == 144, "layout");
static_assert(offsetof(MetricSumArgs, guard) == 192, "layout");
static_assert(sizeof(MetricSumArgs) == 200, "layout");

}  // namespace gradstep
