// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) MatmulArgs {
  enum TransposeA : int32_t { kTransposeANo, kTransposeAYes };
  enum TransposeB : int32_t { kTransposeBNo, kTransposeBYes };
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor a;
  Tensor b;
  Tensor bias;
  Tensor mask;
  Tensor y;
  Tensor sums;
  int32_t accumulate_y;
  int32_t transpose_a;
  int32_t transpose_b;
  int32_t activation;
  int32_t precision;
};
static_assert(offsetof(MatmulArgs, a) == 0, "layout");
static_assert(offsetof(MatmulArgs, b) == 48, "layout");
static_assert(offsetof(MatmulArgs, bias) == 96, "layout");
static_assert(offsetof(MatmulArgs, mask) == 144, "layout");
static_assert(offsetof(MatmulArgs, y) == 192, "layout");
static_assert(offsetof(MatmulArgs, sums) == 240, "layout");
static_assert(offsetof(MatmulArgs, accumulate_y) == 288, "layout");
static_assert(offsetof(MatmulArgs, transpose_a) == 292, "layout");
static_assert(offsetof(MatmulArgs, transpose_b) == 296, "layout");
static_assert(offsetof(MatmulArgs, activation) == 300, "layout");
static_assert(offsetof(MatmulArgs, precision) == 304, "layout");
static_assert(sizeof(MatmulArgs) == 312, "layout");

}  // namespace gradstep
