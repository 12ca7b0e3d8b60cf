// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) SoftmaxCrossEntropyArgs {
  Tensor x;
  Tensor labels;
  Tensor state;
  Tensor flag;
  Tensor loss;
  Tensor probabilities;
};
static_assert(offsetof(SoftmaxCrossEntropyArgs, x) == 0, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, labels) == 48, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, state) == 96, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, flag) == 144, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, loss) == 192, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, probabilities) == 240, "layout");
static_assert(sizeof(SoftmaxCrossEntropyArgs) == 288, "layout");

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
