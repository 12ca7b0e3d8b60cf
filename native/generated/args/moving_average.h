// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MovingAverageArgs {
  Tensor average1;
  Tensor value1;
  Tensor flag;
  Tensor average2;
  Tensor average3;
  Tensor average4;
  Tensor average5;
  Tensor average6;
  Tensor average7;
  Tensor average8;
  Tensor average9;
  Tensor average10;
  Tensor average11;
  Tensor average12;
  Tensor average13;
  Tensor average14;
  Tensor average15;
  Tensor average16;
  Tensor value2;
  Tensor value3;
  Tensor value4;
  Tensor value5;
  Tensor value6;
  Tensor value7;
  Tensor value8;
  Tensor value9;
  Tensor value10;
  Tensor value11;
  Tensor value12;
  Tensor value13;
  Tensor value14;
  Tensor value15;
  Tensor value16;
  float momentum;
  float rate;
};
static_assert(offsetof(MovingAverageArgs, average1) == 0, "layout");
static_assert(offsetof(MovingAverageArgs, value1) == 48, "layout");
static_assert(offsetof(MovingAverageArgs, flag) == 96, "layout");
static_assert(offsetof(MovingAverageArgs, average2) == 144, "layout");
static_assert(offsetof(MovingAverageArgs, average3) == 192, "layout");
static_assert(offsetof(MovingAverageArgs, average4) == 240, "layout");
static_assert(offsetof(MovingAverageArgs, average5) == 288, "layout");
static_assert(offsetof(MovingAverageArgs, average6) == 336, "layout");
static_assert(offsetof(MovingAverageArgs, average7) == 384, "layout");
static_assert(offsetof(MovingAverageArgs, average8) == 432, "layout");
static_assert(offsetof(MovingAverageArgs, average9) == 480, "layout");
static_assert(offsetof(MovingAverageArgs, average10) == 528, "layout");
static_assert(offsetof(MovingAverageArgs, average11) == 576, "layout");
static_assert(offsetof(MovingAverageArgs, average12) == 624, "layout");
static_assert(offsetof(MovingAverageArgs, average13) == 672, "layout");
static_assert(offsetof(MovingAverageArgs, average14) == 720, "layout");
static_assert(offsetof(MovingAverageArgs, average15) == 768, "layout");
static_assert(offsetof(MovingAverageArgs, average16) == 816, "layout");
static_assert(offsetof(MovingAverageArgs, value2) == 864, "layout");
static_assert(offsetof(MovingAverageArgs, value3) == 912, "layout");
static_assert(offsetof(MovingAverageArgs, value4) == 960, "layout");
static_assert(offsetof(MovingAverageArgs, value5) == 1008, "layout");
static_assert(offsetof(MovingAverageArgs, value6) == 1056, "layout");
static_assert(offsetof(MovingAverageArgs, value7) == 1104, "layout");
static_assert(offsetof(MovingAverageArgs, value8) == 1152, "layout");
static_assert(offsetof(MovingAverageArgs, value9) == 1200, "layout");
static_assert(offsetof(MovingAverageArgs, value10) == 1248, "layout");
static_assert(offsetof(MovingAverageArgs, value11) == 1296, "layout");
static_assert(offsetof(MovingAverageArgs, value12) == 1344, "layout");
static_assert(offsetof(MovingAverageArgs, value13) == 1392, "layout");
static_assert(offsetof(MovingAverageArgs, value14) == 1440, "layout");
static_assert(offsetof(MovingAverageArgs, value15) == 1488, "layout");
static_assert(offsetof(MovingAverageArgs, value16) == 1536, "layout");
static_assert(offsetof(MovingAverageArgs, momentum) == 1584, "layout");
static_assert(offsetof(MovingAverageArgs, rate) == 1588, "layout");
static_assert(sizeof(MovingAverageArgs) == 1592, "layout");

}  // namespace gradstep
