// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ToBfloat16Args {
  Tensor x1;
  Tensor x2;
  Tensor x3;
  Tensor x4;
  Tensor x5;
  Tensor x6;
  Tensor x7;
  Tensor x8;
  Tensor x9;
  Tensor x10;
  Tensor x11;
  Tensor x12;
  Tensor x13;
  Tensor x14;
  Tensor x15;
  Tensor x16;
  Tensor y1;
  Tensor y2;
  Tensor y3;
  Tensor y4;
  Tensor y5;
  Tensor y6;
  Tensor y7;
  Tensor y8;
  Tensor y9;
  Tensor y10;
  Tensor y11;
  Tensor y12;
  Tensor y13;
  Tensor y14;
  Tensor y15;
  Tensor y16;
};
static_assert(offsetof(ToBfloat16Args, x1) == 0, "layout");
static_assert(offsetof(ToBfloat16Args, x2) == 48, "layout");
static_assert(offsetof(ToBfloat16Args, x3) == 96, "layout");
static_assert(offsetof(ToBfloat16Args, x4) == 144, "layout");
static_assert(offsetof(ToBfloat16Args, x5) == 192, "layout");
static_assert(offsetof(ToBfloat16Args, x6) == 240, "layout");
static_assert(offsetof(ToBfloat16Args, x7) == 288, "layout");
static_assert(offsetof(ToBfloat16Args, x8) == 336, "layout");
static_assert(offsetof(ToBfloat16Args, x9) == 384, "layout");
static_assert(offsetof(ToBfloat16Args, x10) == 432, "layout");
static_assert(offsetof(ToBfloat16Args, x11) == 480, "layout");
static_assert(offsetof(ToBfloat16Args, x12) == 528, "layout");
static_assert(offsetof(ToBfloat16Args, x13) == 576, "layout");
static_assert(offsetof(ToBfloat16Args, x14) == 624, "layout");
static_assert(offsetof(ToBfloat16Args, x15) == 672, "layout");
static_assert(offsetof(ToBfloat16Args, x16) == 720, "layout");
static_assert(offsetof(ToBfloat16Args, y1) == 768, "layout");
static_assert(offsetof(ToBfloat16Args, y2) == 816, "layout");
static_assert(offsetof(ToBfloat16Args, y3) == 864, "layout");
static_assert(offsetof(ToBfloat16Args, y4) == 912, "layout");
static_assert(offsetof(ToBfloat16Args, y5) == 960, "layout");
static_assert(offsetof(ToBfloat16Args, y6) == 1008, "layout");
static_assert(offsetof(ToBfloat16Args, y7) == 1056, "layout");
static_assert(offsetof(ToBfloat16Args, y8) == 1104, "layout");
static_assert(offsetof(ToBfloat16Args, y9) == 1152, "layout");
static_assert(offsetof(ToBfloat16Args, y10) == 1200, "layout");
static_assert(offsetof(ToBfloat16Args, y11) == 1248, "layout");
static_assert(offsetof(ToBfloat16Args, y12) == 1296, "layout");
static_assert(offsetof(ToBfloat16Args, y13) == 1344, "layout");
static_assert(offsetof(ToBfloat16Args, y14) == 1392, "layout");
static_assert(offsetof(ToBfloat16Args, y15) == 1440, "layout");
static_assert(offsetof(ToBfloat16Args, y16) == 1488, "layout");
static_assert(sizeof(ToBfloat16Args) == 1536, "layout");

}  // namespace gradstep
