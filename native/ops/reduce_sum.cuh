// Sums over the middle of [outer, length, inner] on CUDA, for reduce_sum and for kernels that leave partial results.
#pragma once

#include <cuda_runtime.h>

#include <functional>

#include "cuda/prepare.h"

namespace gradstep::cuda {

struct SumShape {
  int64_t outer, length, inner;
  float scale;
  bool accumulate;                                 // y += …; only in float32
  DType x = DType::kFloat32, y = DType::kFloat32;  // or bfloat16
};

// Launches y = scale * sum of x over the middle; both begin at multiples of 16 bytes. It may use the step's workspace,
// from byte `workspace_offset` on.
using SumRun = std::function<void(cudaStream_t, const void* x, void* y)>;
SumRun plan_sum(Prepare& prepare, const SumShape& shape, size_t workspace_offset = 0);

}  // namespace gradstep::cuda
