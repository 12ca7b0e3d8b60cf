// What products multiply instead of their operands: rounded to nearest, NaN stays NaN; kept, and outside of tensor
// cores multiplied, as float32. bfloat16 has 8 bits of mantissa and ties go to the even number; TF32 has 11 and ties go
// away from zero, which is what cvt.rna.tf32 does.
#pragma once

#include "cuda/pack.h"
#include "cuda/precision.h"

namespace gradstep::cuda {

// One formula for both, as a branch for each costs attention's kernels registers that they do not have.
template <int kWidth>
__device__ inline Pack<float, kWidth> operand(Pack<float, kWidth> x, Precision precision) {
  if (precision == Precision::kFloat32) return x;
  const bool tf32 = precision == Precision::kTf32;
  const uint32_t half = tf32 ? 0x1000u : 0x7fffu, even = tf32 ? 0u : 1u, kept = tf32 ? 0xffffe000u : 0xffff0000u;
#pragma unroll
  for (int k = 0; k < kWidth; k++) {
    const uint32_t bits = __float_as_uint(x.v[k]);
    if (x.v[k] == x.v[k]) x.v[k] = __uint_as_float((bits + half + (bits >> 16 & even)) & kept);
  }
  return x;
}

__device__ inline float operand(float x, Precision precision) { return operand(Pack<float, 1>{{x}}, precision).v[0]; }

}  // namespace gradstep::cuda
