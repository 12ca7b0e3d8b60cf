// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) OneHotArgs {
  enum Mode : int32_t { kModeCount, kModeAny };
  Tensor x;
  Tensor state;
  Tensor flag;
  Tensor y;
  int32_t classes;
  int32_t mode;
  uint32_t place;
};
static_assert(offsetof(OneHotArgs, x) == 0, "layout");
static_assert(offsetof(OneHotArgs, state) == 48, "layout");
static_assert(offsetof(OneHotArgs, flag) == 96, "layout");
static_assert(offsetof(OneHotArgs, y) == 144, "layout");
static_assert(offsetof(OneHotArgs, classes) == 192, "layout");
static_assert(offsetof(OneHotArgs, mode) == 196, "layout");
static_assert(offsetof(OneHotArgs, place) == 200, "layout");
static_assert(sizeof(OneHotArgs) == 208, "layout");

}  // namespace gradstep
