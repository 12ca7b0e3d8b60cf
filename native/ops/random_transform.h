// The affine map that randomTransform draws for an image, the same on every device.
#pragma once

#include "ops/random.h"

namespace gradstep {

struct UniformRange {
  float low, size;
  GRADSTEP_HD float at(uint32_t word) const { return low + size * unit_number(word); }
};

struct TransformRule {
  UniformRange turn, down, right, zoom_height, zoom_width;
  bool together;  // one zoom for height and width
  float centre_row, centre_column;
  uint32_t stream;
};

// Writes the six numbers of `image`: source = R(turn) diag(zoom) (result - centre - shift) + centre.
GRADSTEP_HD inline void random_transform(const TransformRule& rule, int64_t image, const int32_t* state, float* t) {
  const Philox4 first = random_words(static_cast<uint64_t>(image) * 2, state, rule.stream);
  const Philox4 second = random_words(static_cast<uint64_t>(image) * 2 + 1, state, rule.stream);
  const SineCosine angle = turn(rule.turn.at(first.w[0]));
  const float down = rule.down.at(first.w[1]), right = rule.right.at(first.w[2]);
  const float zoom_height = rule.zoom_height.at(first.w[3]);
  const float zoom_width = rule.together ? zoom_height : rule.zoom_width.at(second.w[0]);
  const float cx = rule.centre_column, cy = rule.centre_row;
  t[0] = angle.cosine * zoom_width;
  t[1] = -angle.sine * zoom_height;
  t[2] = (cx - t[0] * cx - t[1] * cy) - t[0] * right - t[1] * down;
  t[3] = angle.sine * zoom_width;
  t[4] = angle.cosine * zoom_height;
  t[5] = (cy - t[3] * cx - t[4] * cy) - t[3] * right - t[4] * down;
}

// From the arguments of randomTransform.
template <typename Args>
TransformRule transform_rule(const Args& a) {
  const auto range = [](float low, float high) { return UniformRange{low, high - low}; };
  return {range(a.turn_low, a.turn_high),
          range(a.down_low, a.down_high),
          range(a.right_low, a.right_high),
          range(a.zoom_height_low, a.zoom_height_high),
          range(a.zoom_width_low, a.zoom_width_high),
          a.zoom == Args::kZoomTogether,
          0.5f * static_cast<float>(a.height - 1),
          0.5f * static_cast<float>(a.width - 1),
          a.stream};
}

}  // namespace gradstep
