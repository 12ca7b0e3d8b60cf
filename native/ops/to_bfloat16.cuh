// Tensors on CUDA from float32 to bfloat16 or back, several by one launch: for to_bfloat16, and for products whose
// operands are stored otherwise than they are multiplied. All begin at multiples of 16 bytes.
#pragma once

#include "cuda/bfloat16.h"
#include "ops/to_bfloat16.h"

namespace gradstep::cuda {

template <typename From, typename To>
struct Conversions {
  const From* from[kRoundedAtOnce];
  To* to[kRoundedAtOnce];
  int64_t size[kRoundedAtOnce];
  int count;

  void add(const From* x, To* y, int64_t n) {
    from[count] = x;
    to[count] = y;
    size[count++] = n;
  }
};

using Roundings = Conversions<float, Bfloat16>;
using Widenings = Conversions<Bfloat16, float>;

// Launches nothing where there are none.
void convert(cudaStream_t stream, const Roundings& all, int multiprocessors);
void convert(cudaStream_t stream, const Widenings& all, int multiprocessors);

}  // namespace gradstep::cuda
