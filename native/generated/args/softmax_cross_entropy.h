// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) SoftmaxCrossEntropyArgs {
  Tensor x;
  Tensor labels;
  Tensor state;
  Tensor flag;
  Tensor dloss;
  Tensor loss;
  Tensor probabilities;
  Tensor dx;
};
static_assert(offsetof(SoftmaxCrossEntropyArgs, x) == 0, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, labels) == 48, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, state) == 96, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, flag) == 144, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, dloss) == 192, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, loss) == 240, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, probabilities) == 288, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, dx) == 336, "layout");
static_assert(sizeof(SoftmaxCrossEntropyArgs) == 384, "layout");

struct alignas(8) SoftmaxCrossEntropyDxArgs {
  Tensor probabilities;
  Tensor labels;
  Tensor dloss;
  Tensor dx;
};
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, probabilities) == 0, "layout");
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, labels) == 48, "layout");
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, dloss) == 96, "layout");
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, dx) == 144, "layout");
static_assert(sizeof(SoftmaxCrossEntropyDxArgs) == 192, "layout");

}  // namespace gradstep
