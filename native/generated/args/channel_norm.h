// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) ChannelNormArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  Tensor x;
  Tensor gamma;
  Tensor beta;
  Tensor residual;
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
static_assert(offsetof(ChannelNormArgs, residual) == 144, "layout");
static_assert(offsetof(ChannelNormArgs, y) == 192, "layout");
static_assert(offsetof(ChannelNormArgs, mean) == 240, "layout");
static_assert(offsetof(ChannelNormArgs, variance) == 288, "layout");
static_assert(offsetof(ChannelNormArgs, samples) == 336, "layout");
static_assert(offsetof(ChannelNormArgs, groups) == 340, "layout");
static_assert(offsetof(ChannelNormArgs, epsilon) == 344, "layout");
static_assert(offsetof(ChannelNormArgs, activation) == 348, "layout");
static_assert(sizeof(ChannelNormArgs) == 352, "layout");

struct alignas(8) ChannelNormGradArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  enum WithDx : int32_t { kWithDxNo, kWithDxYes };
  Tensor x;
  Tensor dy;
  Tensor y;
  Tensor gamma;
  Tensor beta;
  Tensor mean;
  Tensor variance;
  Tensor dx;
  Tensor dresidual;
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
static_assert(offsetof(ChannelNormGradArgs, y) == 96, "layout");
static_assert(offsetof(ChannelNormGradArgs, gamma) == 144, "layout");
static_assert(offsetof(ChannelNormGradArgs, beta) == 192, "layout");
static_assert(offsetof(ChannelNormGradArgs, mean) == 240, "layout");
static_assert(offsetof(ChannelNormGradArgs, variance) == 288, "layout");
static_assert(offsetof(ChannelNormGradArgs, dx) == 336, "layout");
static_assert(offsetof(ChannelNormGradArgs, dresidual) == 384, "layout");
static_assert(offsetof(ChannelNormGradArgs, dgamma) == 432, "layout");
static_assert(offsetof(ChannelNormGradArgs, dbeta) == 480, "layout");
static_assert(offsetof(ChannelNormGradArgs, samples) == 528, "layout");
static_assert(offsetof(ChannelNormGradArgs, groups) == 532, "layout");
static_assert(offsetof(ChannelNormGradArgs, epsilon) == 536, "layout");
static_assert(offsetof(ChannelNormGradArgs, activation) == 540, "layout");
static_assert(offsetof(ChannelNormGradArgs, with_dx) == 544, "layout");
static_assert(sizeof(ChannelNormGradArgs) == 552, "layout");

}  // namespace gradstep
