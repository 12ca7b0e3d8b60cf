// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) BatchMatmulArgs {
  enum TransposeA : int32_t { kTransposeANo, kTransposeAYes };
  enum TransposeB : int32_t { kTransposeBNo, kTransposeBYes };
  enum Precision : int32_t { kPrecisionFloat32, kPrecisionTf32, kPrecisionBfloat16 };
  Tensor a;
  Tensor b;
  Tensor y;
  int32_t accumulate_y;
  int32_t transpose_a;
  int32_t transpose_b;
  int32_t precision;
};
static_assert(offsetof(BatchMatmulArgs, a) == 0, "layout");
static_assert(offsetof(BatchMatmulArgs, b) == 48, "layout");
static_assert(offsetof(BatchMatmulArgs, y) == 96, "layout");
static_assert(offsetof(BatchMatmulArgs, accumulate_y) == 144, "layout");
static_assert(offsetof(BatchMatmulArgs, transpose_a) == 148, "layout");
static_assert(offsetof(BatchMatmulArgs, transpose_b) == 152, "layout");
static_assert(offsetof(BatchMatmulArgs, precision) == 156, "layout");
static_assert(sizeof(BatchMatmulArgs) == 160, "layout");

}  // namespace gradstep
