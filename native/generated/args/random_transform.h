// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/tensor.h"

namespace gradstep {

struct alignas(8) RandomTransformArgs {
  enum Zoom : int32_t { kZoomApart, kZoomTogether };
  Tensor state;
  Tensor transform;
  int32_t images;
  int32_t height;
  int32_t width;
  float turn_low;
  float turn_high;
  float down_low;
  float down_high;
  float right_low;
  float right_high;
  float zoom_height_low;
  float zoom_height_high;
  float zoom_width_low;
  float zoom_width_high;
  int32_t zoom;
  uint32_t stream;
};
static_assert(offsetof(RandomTransformArgs, state) == 0, "layout");
static_assert(offsetof(RandomTransformArgs, transform) == 48, "layout");
static_assert(offsetof(RandomTransformArgs, images) == 96, "layout");
static_assert(offsetof(RandomTransformArgs, height) == 100, "layout");
static_assert(offsetof(RandomTransformArgs, width) == 104, "layout");
static_assert(offsetof(RandomTransformArgs, turn_low) == 108, "layout");
static_assert(offsetof(RandomTransformArgs, turn_high) == 112, "layout");
static_assert(offsetof(RandomTransformArgs, down_low) == 116, "layout");
static_assert(offsetof(RandomTransformArgs, down_high) == 120, "layout");
static_assert(offsetof(RandomTransformArgs, right_low) == 124, "layout");
static_assert(offsetof(RandomTransformArgs, right_high) == 128, "layout");
static_assert(offsetof(RandomTransformArgs, zoom_height_low) == 132, "layout");
static_assert(offsetof(RandomTransformArgs, zoom_height_high) == 136, "layout");
static_assert(offsetof(RandomTransformArgs, zoom_width_low) == 140, "layout");
static_assert(offsetof(RandomTransformArgs, zoom_width_high) == 144, "layout");
static_assert(offsetof(RandomTransformArgs, zoom) == 148, "layout");
static_assert(offsetof(RandomTransformArgs, stream) == 152, "layout");
static_assert(sizeof(RandomTransformArgs) == 160, "layout");

}  // namespace gradstep
