// An image [n, axes, channels] as the matrix that a convolution multiplies: a row for each pixel of its result, a
// column for each position of the kernel and each channel; zeros where a window reaches beyond the image. It is not in
// memory like that: who reads it goes to the image.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/conv_grid.h"

namespace gradstep::cpu {

struct Windows {
  std::array<ConvAxis, 3> axes;  // {1, 1, 1, 1, 1, 0} for those that are not there
  int64_t channels;
};

}  // namespace gradstep::cpu
