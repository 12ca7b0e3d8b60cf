// The pixels that a kernel of one pixel reads when it has strides, side by side: among them it has none. [N, axes, C]
// to [N, fewer along axes, C], of whatever numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

struct SpacedPixels {
  int64_t images;
  std::array<int64_t, 3> from, to, strides;  // pixels along each axis; 1 along a first one that is not there
  int64_t channels;

  // Numbers of y.
  int64_t size() const { return images * to[0] * to[1] * to[2] * channels; }
  void gather(void* y, const void* x, size_t element_bytes, int threads) const;
};

}  // namespace gradstep::cpu
