// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) LayerNormArgs {
  enum Kind : int32_t { kKindStandard, kKindRms };
  Tensor x;
  Tensor gamma;
  Tensor beta;
  Tensor y;
  Tensor mean;
  Tensor rstd;
  int32_t length;
  int32_t kind;
  float epsilon;
};
static_assert(offsetof(LayerNormArgs, x) == 0, "layout");
static_assert(offsetof(LayerNormArgs, gamma) == 48, "layout");
static_assert(offsetof(LayerNormArgs, beta) == 96, "layout");
static_assert(offsetof(LayerNormArgs, y) == 144, "layout");
static_assert(offsetof(LayerNormArgs, mean) == 192, "layout");
static_assert(offsetof(LayerNormArgs, rstd) == 240, "layout");
static_assert(offsetof(LayerNormArgs, length) == 288, "layout");
static_assert(offsetof(LayerNormArgs, kind) == 292, "layout");
static_assert(offsetof(LayerNormArgs, epsilon) == 296, "layout");
static_assert(sizeof(LayerNormArgs) == 304, "layout");

struct alignas(8) LayerNormGradArgs {
  enum Kind : int32_t { kKindStandard, kKindRms };
  enum WithParameters : int32_t { kWithParametersNo, kWithParametersYes };
  Tensor x;
  Tensor dy;
  Tensor gamma;
  Tensor mean;
  Tensor rstd;
  Tensor dx;
  Tensor dgamma;
  Tensor dbeta;
  int32_t length;
  int32_t kind;
  int32_t with_parameters;
};
static_assert(offsetof(LayerNormGradArgs, x) == 0, "layout");
static_assert(offsetof(LayerNormGradArgs, dy) == 48, "layout");
static_assert(offsetof(LayerNormGradArgs, gamma) == 96, "layout");
static_assert(offsetof(LayerNormGradArgs, mean) == 144, "layout");
static_assert(offsetof(LayerNormGradArgs, rstd) == 192, "layout");
static_assert(offsetof(LayerNormGradArgs, dx) == 240, "layout");
static_assert(offsetof(LayerNormGradArgs, dgamma) == 288, "layout");
static_assert(offsetof(LayerNormGradArgs, dbeta) == 336, "layout");
static_assert(offsetof(LayerNormGradArgs, length) == 384, "layout");
static_assert(offsetof(LayerNormGradArgs, kind) == 388, "layout");
static_assert(offsetof(LayerNormGradArgs, with_parameters) == 392, "layout");
static_assert(sizeof(LayerNormGradArgs) == 400, "layout");

}  // namespace gradstep
