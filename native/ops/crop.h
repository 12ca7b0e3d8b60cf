// Which pixel crop takes, the same on every device. Along each axis the source is base + step · destination, step -1
// where the image is mirrored; the gradient is the same with another base.
#pragma once

#include "ops/random.h"

namespace gradstep {

struct CropAxis {
  int32_t window;     // size of the window
  int32_t first;      // smallest first position
  int32_t positions;  // possible first positions
  bool may_flip;
};

struct CropRule {
  CropAxis rows, columns;
  uint32_t stream;
};

struct CropMap {
  int32_t base, step;
  GRADSTEP_HD int32_t source(int32_t destination) const { return base + step * destination; }
};

struct CropMaps {
  CropMap rows, columns;
};

// `place` draws the first position, `mirror` whether the axis is mirrored.
GRADSTEP_HD inline CropMap crop_map(const CropAxis& axis, uint32_t place, uint32_t mirror, bool backward) {
  const int32_t first =
      axis.first + static_cast<int32_t>((static_cast<uint64_t>(place) * static_cast<uint32_t>(axis.positions)) >> 32);
  if (axis.may_flip && (mirror >> 31) != 0) return {first + axis.window - 1, -1};
  return {backward ? -first : first, 1};
}

// Of one image; `state` is null where nothing is drawn.
GRADSTEP_HD inline CropMaps crop_maps(const CropRule& rule, int64_t image, const int32_t* state, bool backward) {
  const Philox4 words = state ? random_words(static_cast<uint64_t>(image), state, rule.stream) : Philox4{};
  return {crop_map(rule.rows, words.w[0], words.w[2], backward),
          crop_map(rule.columns, words.w[1], words.w[3], backward)};
}

// From the arguments of crop or cropDx.
template <typename Args>
CropRule crop_rule(const Args& a) {
  const bool both = a.flip == Args::kFlipBoth;
  return {{a.height, a.top, a.rows, both || a.flip == Args::kFlipVertical},
          {a.width, a.left, a.columns, both || a.flip == Args::kFlipHorizontal},
          a.stream};
}

}  // namespace gradstep
