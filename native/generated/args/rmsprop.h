// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) RmspropArgs {
  Tensor params;
  Tensor grads;
  Tensor mean_square;
  Tensor mean;
  Tensor move;
  Tensor learning_rate;
  Tensor flag;
  Tensor fault;
  float rho;
  float momentum;
  float epsilon;
  int32_t first;
};
static_assert(offsetof(RmspropArgs, params) == 0, "layout");
static_assert(offsetof(RmspropArgs, grads) == 48, "layout");
static_assert(offsetof(RmspropArgs, mean_square) == 96, "layout");
static_assert(offsetof(RmspropArgs, mean) == 144, "layout");
static_assert(offsetof(RmspropArgs, move) == 192, "layout");
static_assert(offsetof(RmspropArgs, learning_rate) == 240, "layout");
static_assert(offsetof(RmspropArgs, flag) == 288, "layout");
static_assert(offsetof(RmspropArgs, fault) == 336, "layout");
static_assert(offsetof(RmspropArgs, rho) == 384, "layout");
static_assert(offsetof(RmspropArgs, momentum) == 388, "layout");
static_assert(offsetof(RmspropArgs, epsilon) == 392, "layout");
static_assert(offsetof(RmspropArgs, first) == 396, "layout");
static_assert(sizeof(RmspropArgs) == 400, "layout");

}  // namespace gradstep
