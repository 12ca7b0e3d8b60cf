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
  Tensor fault;
  float rho;
  float epsilon;
  int32_t first;
};
static_assert(offsetof(AdadeltaArgs, params) == 0, "layout");
static_assert(offsetof(AdadeltaArgs, grads) == 48, "layout");
static_assert(offsetof(AdadeltaArgs, mean_square) == 96, "layout");
static_assert(offsetof(AdadeltaArgs, mean_square_move) == 144, "layout");
static_assert(offsetof(AdadeltaArgs, learning_rate) == 192, "layout");
static_assert(offsetof(AdadeltaArgs, flag) == 240, "layout");
static_assert(offsetof(AdadeltaArgs, fault) == 288, "layout");
static_assert(offsetof(AdadeltaArgs, rho) == 336, "layout");
static_assert(offsetof(AdadeltaArgs, epsilon) == 340, "layout");
static_assert(offsetof(AdadeltaArgs, first) == 344, "layout");
static_assert(sizeof(AdadeltaArgs) == 352, "layout");

}  // namespace gradstep
