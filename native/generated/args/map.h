// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MapArgs {
  Tensor in0;
  Tensor in1;
  Tensor in2;
  Tensor in3;
  Tensor in4;
  Tensor in5;
  Tensor in6;
  Tensor in7;
  Tensor out0;
  Tensor out1;
  Tensor out2;
  Tensor out3;
  Dims domain;
  Tape tape;
  int32_t reduce_rank;
  float scale;
};
static_assert(offsetof(MapArgs, in0) == 0, "layout");
static_assert(offsetof(MapArgs, in1) == 48, "layout");
static_assert(offsetof(MapArgs, in2) == 96, "layout");
static_assert(offsetof(MapArgs, in3) == 144, "layout");
static_assert(offsetof(MapArgs, in4) == 192, "layout");
static_assert(offsetof(MapArgs, in5) == 240, "layout");
static_assert(offsetof(MapArgs, in6) == 288, "layout");
static_assert(offsetof(MapArgs, in7) == 336, "layout");
static_assert(offsetof(MapArgs, out0) == 384, "layout");
static_assert(offsetof(MapArgs, out1) == 432, "layout");
static_assert(offsetof(MapArgs, out2) == 480, "layout");
static_assert(offsetof(MapArgs, out3) == 528, "layout");
static_assert(offsetof(MapArgs, domain) == 576, "layout");
static_assert(offsetof(MapArgs, tape) == 604, "layout");
static_assert(offsetof(MapArgs, reduce_rank) == 824, "layout");
static_assert(offsetof(MapArgs, scale) == 828, "layout");
static_assert(sizeof(MapArgs) == 832, "layout");

}  // namespace gradstep
