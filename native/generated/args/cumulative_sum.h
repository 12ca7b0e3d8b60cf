// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) CumulativeSumArgs {
  enum Exclusive : int32_t { kExclusiveNo, kExclusiveYes };
  enum Reverse : int32_t { kReverseNo, kReverseYes };
  Tensor x;
  Tensor y;
  int32_t exclusive;
  int32_t reverse;
};
static_assert(offsetof(CumulativeSumArgs, x) == 0, "layout");
static_assert(offsetof(CumulativeSumArgs, y) == 48, "layout");
static_assert(offsetof(CumulativeSumArgs, exclusive) == 96, "layout");
static_assert(offsetof(CumulativeSumArgs, reverse) == 100, "layout");
static_assert(sizeof(CumulativeSumArgs) == 104, "layout");

}  // namespace gradstep
