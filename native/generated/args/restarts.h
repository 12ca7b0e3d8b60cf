// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) RestartsArgs {
  Tensor step;
  Tensor cycle;
  Tensor part;
  float first;
  float growth;
  float growth_rest;
};
static_assert(offsetof(RestartsArgs, step) == 0, "layout");
static_assert(offsetof(RestartsArgs, cycle) == 48, "layout");
static_assert(offsetof(RestartsArgs, part) == 96, "layout");
static_assert(offsetof(RestartsArgs, first) == 144, "layout");
static_assert(offsetof(RestartsArgs, growth) == 148, "layout");
static_assert(offsetof(RestartsArgs, growth_rest) == 152, "layout");
static_assert(sizeof(RestartsArgs) == 160, "layout");

}  // namespace gradstep
