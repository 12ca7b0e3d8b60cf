// A convolution's kernel gradient in bfloat16 by tiles: for each position of the kernel dw [in, out] is the
// product of x, transposed, and dy, summed over the grid (conv_grid.h). Both are rounded, where they are not
// stored so, and rearranged a few images at a time, so that they are read once and what is made of them stays in a
// core's cache; the same pass sums dy for the bias. Threads split the images, their parts are added in order.
#pragma once

#include <memory>

#include "cpu/conv_grid.h"
#include "cpu/stored.h"

namespace gradstep::cpu {

class ConvDwTiles {
 public:
  // x [images, …, in], dy [images, …, out]; for processors that have_tiles().
  ConvDwTiles(const std::vector<ConvAxis>& axes, int64_t images, int64_t in, int64_t out, int threads);

  // Whether dw is small enough to be held once a thread.
  bool fits() const;
  // How often the products that are asked for are made: of places without a pixel and of channels up to 16, too.
  double padding() const;
  size_t bytes() const;  // of workspace
  // dw [taps, in, out] is overwritten or added to, db [out] overwritten; db may be null.
  void run(Stored x, Stored dy, float* dw, float* db, bool accumulate, void* workspace) const;

 private:
  struct Part;
  Part part_at(void* workspace, int part) const;
  void sum(Stored x, Stored dy, const Part& part, int64_t first, int64_t images, bool with_bias) const;

  ConvGrid grid_;
  int64_t images_, in_, out_;
  int64_t in_blocks_, out_blocks_;    // of 16 channels
  int64_t together_;                  // images at a time
  int64_t steps_, x_length_, x_row_;  // of dy: 32 positions each; of x, and from one channel to the next
  std::vector<int32_t> x_at_, y_at_;  // where pixels begin: [phase][position] of x, [position] of dy
  int threads_;
};

}  // namespace gradstep::cpu
