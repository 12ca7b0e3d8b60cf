// A convolution in bfloat16 on the tile units, and its input gradient where the strides are 1 (then that is a
// convolution of dy with the kernel backwards). An image at a time is laid onto the grid (conv_grid.h), rounded where
// it is not stored so, [position][channel], where it stays in a core's cache: a tile's rows are neighbouring positions,
// and what a window holds is read in place, a whole row of the kernel at a time where its pixels are neighbours.
// Threads split the images.
#pragma once

#include <cstddef>

#include "cpu/conv_grid.h"
#include "cpu/stored.h"

namespace gradstep::cpu {

class ConvTiles {
 public:
  enum Kernel {
    kForward,   // w [taps, in, out]
    kBackwards  // w [taps, out, in], its positions in reverse order: of an input gradient, whose `in` are dy's channels
  };

  // x [images, …, in] to y [images, …, out]; for processors that have_tiles().
  ConvTiles(const std::vector<ConvAxis>& axes, int64_t images, int64_t in, int64_t out, Kernel kernel, int threads);

  // Whether image and kernel stay in a core's cache; and there must be an image for each thread.
  bool fits() const;
  size_t bytes() const;  // of workspace
  struct Epilogue {
    const float* bias = nullptr;  // [out]
    bool relu = false;
    bool accumulate = false;  // y is added to
    Stored mask = {};         // like y, which is 0 where it is not above 0; not together with accumulate
  };
  void run(Stored x, const float* w, Stored y, const Epilogue& epilogue, void* workspace) const;

 private:
  // Neighbouring pixels that are neighbours on the grid.
  struct Run {
    int64_t to, from, elements;
  };
  // 32 terms of every sum: where they lie relative to a position, and the first of their weights' rows [·, out] with
  // how many there are (the others count as zeros).
  struct Terms {
    int64_t at, weights, count;
  };

  void pack_kernel(const float* w, uint16_t* packed) const;
  template <typename X>
  void lay_out(const X* x, uint16_t* grid) const;
  // The image whose results begin at y + image.
  template <typename Y>
  void convolve(const uint16_t* grid, const uint16_t* kernel, Y* y, int64_t image, const Epilogue& epilogue,
                float* sums) const;
  int64_t grid_elements() const;
  int64_t kernel_elements() const;

  ConvGrid grid_;
  int64_t images_, in_, out_, out_blocks_;
  Kernel kernel_;
  int64_t end_;  // behind the last position that has a window
  std::vector<Run> runs_;
  std::vector<Terms> terms_;
  int wanted_, threads_;
};

}  // namespace gradstep::cpu
