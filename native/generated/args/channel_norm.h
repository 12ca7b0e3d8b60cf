// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ChannelNormArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  Tensor x;
  Tensor gamma;
  Tensor beta;
  Tensor y;
  Tensor mean;
  Tensor variance;
  int32_t samples;
  int32_t groups;
  float epsilon;
  int32_t activation;
};
static_assert(offsetof(ChannelNormArgs, x) == 0, "layout");
static_assert(offsetof(ChannelNormArgs, gamma) == 48, "layout");
static_assert(offsetof(ChannelNormArgs, beta) == 96, "layout");
static_assert(offsetof(ChannelNormArgs, y) == 144, "layout");
static_assert(offsetof(ChannelNormArgs, mean) == 192, "layout");
static_assert(offsetof(ChannelNormArgs, variance) == 240, "layout");
static_assert(offsetof(ChannelNormArgs, samples) == 288, "layout");
static_assert(offsetof(ChannelNormArgs, groups) == 292, "layout");
static_assert(offsetof(ChannelNormArgs, epsilon) == 296, "layout");
static_assert(offsetof(ChannelNormArgs, activation) == 300, "layout");
static_assert(sizeof(ChannelNormArgs) == 304, "layout");

struct alignas(8) ChannelNormGradArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  enum WithDx : int32_t { kWithDxNo, kWithDxYes };
  Tensor x;
  Tensor dy;
  Tensor gamma;
  Tensor beta;
  Tensor mean;
  Tensor variance;
  Tensor dx;
  Tensor dgamma;
  Tensor dbeta;
  int32_t samples;
  int32_t groups;
  float epsilon;
  int32_t activation;
  int32_t with_dx;
};
static_assert(offsetof(ChannelNormGradArgs, x) == 0, "layout");
static_assert(offsetof(ChannelNormGradArgs, dy) == 48, "layout");
static_assert(offsetof(ChannelNormGradArgs, gamma) == 96, "layout");
static_assert(offsetof(ChannelNormGradArgs, beta) == 144, "layout");
static_assert(offsetof(ChannelNormGradArgs, mean) == 192, "layout");
static_assert(offsetof(ChannelNormGradArgs, variance) == 240, "layout");
static_assert(offsetof(ChannelNormGradArgs, dx) == 288, "layout");
static_assert(offsetof(ChannelNormGradArgs, dgamma) == 336, "layout");
static_assert(offsetof(ChannelNormGradArgs, dbeta) == 384, "layout");
static_assert(offsetof(ChannelNormGradArgs, samples) == 432, "layout");
static_assert(offsetof(ChannelNormGradArgs, groups) == 436, "layout");
static_assert(offsetof(ChannelNormGradArgs, epsilon) == 440, "layout");
static_assert(offsetof(ChannelNormGradArgs, activation) == 444, "layout");
static_assert(offsetof(ChannelNormGradArgs, with_dx) == 448, "layout");
static_assert(sizeof(ChannelNormGradArgs) == 456, "layout");

}  // namespace gradstep
