// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) GatherArgs {
  enum Source : int32_t { kSourceFloat32, kSourceInt32, kSourceUint8 };
  enum Dtype : int32_t { kDtypeFloat32, kDtypeInt32 };
  Tensor state;
  Tensor flag;
  Tensor y;
  int32_t slot;
  int32_t index_slot;
  int32_t source;
  int32_t dtype;
  Dims shape;
};
static_assert(offsetof(GatherArgs, state) == 0, "layout");
static_assert(offsetof(GatherArgs, flag) == 48, "layout");
static_assert(offsetof(GatherArgs, y) == 96, "layout");
static_assert(offsetof(GatherArgs, slot) == 144, "layout");
static_assert(offsetof(GatherArgs, index_slot) == 148, "layout");
static_assert(offsetof(GatherArgs, source) == 152, "layout");
static_assert(offsetof(GatherArgs, dtype) == 156, "layout");
static_assert(offsetof(GatherArgs, shape) == 160, "layout");
static_assert(sizeof(GatherArgs) == 192, "layout");

struct alignas(8) ScatterArgs {
  Tensor x;
  Tensor state;
  Tensor flag;
  int32_t slot;
};
static_assert(offsetof(ScatterArgs, x) == 0, "layout");
static_assert(offsetof(ScatterArgs, state) == 48, "layout");
static_assert(offsetof(ScatterArgs, flag) == 96, "layout");
static_assert(offsetof(ScatterArgs, slot) == 144, "layout");
static_assert(sizeof(ScatterArgs) == 152, "layout");

struct alignas(8) AdvanceArgs {
  Tensor state;
  Tensor updates;
  Tensor fault;
  Tensor flag;
  int32_t steps;
  int32_t rows;
  int32_t moves;
};
static_assert(offsetof(AdvanceArgs, state) == 0, "layout");
static_assert(offsetof(AdvanceArgs, updates) == 48, "layout");
static_assert(offsetof(AdvanceArgs, fault) == 96, "layout");
static_assert(offsetof(AdvanceArgs, flag) == 144, "layout");
static_assert(offsetof(AdvanceArgs, steps) == 192, "layout");
static_assert(offsetof(AdvanceArgs, rows) == 196, "layout");
static_assert(offsetof(AdvanceArgs, moves) == 200, "layout");
static_assert(sizeof(AdvanceArgs) == 208, "layout");

}  // namespace gradstep
