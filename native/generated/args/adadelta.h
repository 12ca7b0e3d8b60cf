// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) AdadeltaArgs {
  Tensor params;
  Tensor grads;
  Tensor mean_square;
  Tensor mean_square_move;
  Tensor learning_rate;
  Tensor flag;
  float rho;
  float epsilon;
};
static_assert(offsetof(AdadeltaArgs, params) == 0, "layout");
static_assert(offsetof(AdadeltaArgs, grads) == 48, "layout");
static_assert(offsetof(AdadeltaArgs, mean_square) == 96, "layout");
static_assert(offsetof(AdadeltaArgs, mean_square_move) == 144, "layout");
static_assert(offsetof(AdadeltaArgs, learning_rate) == 192, "layout");
static_assert(offsetof(AdadeltaArgs, flag) == 240, "layout");
static_assert(offsetof(AdadeltaArgs, rho) == 288, "layout");
static_assert(offsetof(AdadeltaArgs, epsilon) == 292, "layout");
static_assert(sizeof(AdadeltaArgs) == 296, "layout");

}  // namespace gradstep
