// Operands of products in bfloat16: rounded to nearest, ties to even, NaN stays NaN; kept and multiplied as float32.
#pragma once

#include "cuda/pack.h"

namespace gradstep::cuda {

__device__ inline float rounded_to_bfloat16(float x) {
  const uint32_t bits = __float_as_uint(x);
  return x == x ? __uint_as_float((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u) : x;
}

// What a product multiplies instead of x.
template <int kWidth>
__device__ inline Pack<float, kWidth> operand(Pack<float, kWidth> x, bool bfloat16) {
  if (bfloat16) {
#pragma unroll
    for (int k = 0; k < kWidth; k++) x.v[k] = rounded_to_bfloat16(x.v[k]);
  }
  return x;
}

}  // namespace gradstep::cuda
