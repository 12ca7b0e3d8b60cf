// A convolution on a grid: the places windows begin at, and as many more along each axis as the kernel's positions
// reach further. On it, laid out in one line, position (i, j) of every window lies equally far behind the window's
// beginning, so that a kernel's position is a shift of whole arrays. With strides x is taken apart by its coordinates
// modulo the strides (phases), each of which is a grid of its own. Padding and what has no window hold zeros.
#pragma once

#include <cstdint>
#include <vector>

namespace gradstep::cpu {

struct ConvAxis {
  int64_t x, y;  // sizes
  int64_t taps, stride, dilation, pad;
};

struct ConvGrid {
  struct Tap {
    int phase;
    int64_t shift;
  };

  explicit ConvGrid(const std::vector<ConvAxis>& axes);

  int64_t positions = 1;                   // of one image
  int64_t x_pixels = 1, y_pixels = 1;      // of one image
  int64_t reach = 0;                       // the largest shift
  std::vector<Tap> taps;                   // as the kernel has them
  std::vector<std::vector<int32_t>> x_at;  // [phase][position]: pixel of x, or -1
  std::vector<int32_t> y_at;               // [position]: pixel of y, or -1
};

}  // namespace gradstep::cpu
