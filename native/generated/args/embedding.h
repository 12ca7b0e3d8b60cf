// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) EmbeddingArgs {
  Tensor table;
  Tensor indices;
  Tensor state;
  Tensor flag;
  Tensor y;
  uint32_t place;
  int32_t tables;
};
static_assert(offsetof(EmbeddingArgs, table) == 0, "layout");
static_assert(offsetof(EmbeddingArgs, indices) == 48, "layout");
static_assert(offsetof(EmbeddingArgs, state) == 96, "layout");
static_assert(offsetof(EmbeddingArgs, flag) == 144, "layout");
static_assert(offsetof(EmbeddingArgs, y) == 192, "layout");
static_assert(offsetof(EmbeddingArgs, place) == 240, "layout");
static_assert(offsetof(EmbeddingArgs, tables) == 244, "layout");
static_assert(sizeof(EmbeddingArgs) == 248, "layout");

struct alignas(8) EmbeddingDxArgs {
  Tensor dy;
  Tensor indices;
  Tensor dtable;
  int32_t accumulate_dtable;
  int32_t vocabulary;
  int32_t tables;
};
static_assert(offsetof(EmbeddingDxArgs, dy) == 0, "layout");
static_assert(offsetof(EmbeddingDxArgs, indices) == 48, "layout");
static_assert(offsetof(EmbeddingDxArgs, dtable) == 96, "layout");
static_assert(offsetof(EmbeddingDxArgs, accumulate_dtable) == 144, "layout");
static_assert(offsetof(EmbeddingDxArgs, vocabulary) == 148, "layout");
static_assert(offsetof(EmbeddingDxArgs, tables) == 152, "layout");
static_assert(sizeof(EmbeddingDxArgs) == 160, "layout");

}  // namespace gradstep
