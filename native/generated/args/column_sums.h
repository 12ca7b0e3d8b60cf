// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ColumnSumsArgs {
  Tensor x;
  Tensor times;
  Tensor weights;
  Tensor total;
  int32_t columns;
  int32_t at;
};
static_assert(offsetof(ColumnSumsArgs, x) == 0, "layout");
static_assert(offsetof(ColumnSumsArgs, times) == 48, "layout");
static_assert(offsetof(ColumnSumsArgs, weights) == 96, "layout");
static_assert(offsetof(ColumnSumsArgs, total) == 144, "layout");
static_assert(offsetof(ColumnSumsArgs, columns) == 192, "layout");
static_assert(offsetof(ColumnSumsArgs, at) == 196, "layout");
static_assert(sizeof(ColumnSumsArgs) == 200, "layout");

}  // namespace gradstep
