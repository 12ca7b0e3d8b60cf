// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) HistogramArgs {
  Tensor column;
  Tensor row;
  Tensor weights;
  Tensor state;
  Tensor total;
  Tensor flag;
  int32_t groups;
  int32_t rows;
  int32_t columns;
  int32_t at;
  uint32_t place;
};
static_assert(offsetof(HistogramArgs, column) == 0, "layout");
static_assert(offsetof(HistogramArgs, row) == 48, "layout");
static_assert(offsetof(HistogramArgs, weights) == 96, "layout");
static_assert(offsetof(HistogramArgs, state) == 144, "layout");
static_assert(offsetof(HistogramArgs, total) == 192, "layout");
static_assert(offsetof(HistogramArgs, flag) == 240, "layout");
static_assert(offsetof(HistogramArgs, groups) == 288, "layout");
static_assert(offsetof(HistogramArgs, rows) == 292, "layout");
static_assert(offsetof(HistogramArgs, columns) == 296, "layout");
static_assert(offsetof(HistogramArgs, at) == 300, "layout");
static_assert(offsetof(HistogramArgs, place) == 304, "layout");
static_assert(sizeof(HistogramArgs) == 312, "layout");

}  // namespace gradstep
