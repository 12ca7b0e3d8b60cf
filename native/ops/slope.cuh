// Activations of dense layers whose slope follows from their value, and the pass behind a product by which a gradient
// goes back through one of them.
#pragma once

#include <cuda_runtime.h>

#include <functional>

#include "cuda/prepare.h"
#include "ops/scalar.h"

namespace gradstep::cuda {

// Codes of lib/ops/mlp.ts.
enum class Activation : int32_t { kLinear, kRelu, kTanh, kSigmoid };

__device__ inline float value(Activation kind, float z) {
  switch (kind) {
    case Activation::kRelu:
      return scalar::relu(z);
    case Activation::kTanh:
      return scalar::tanh(z);
    case Activation::kSigmoid:
      return scalar::sigmoid(z);
    default:
      return z;
  }
}

// The slope where the value is y.
__device__ inline float slope(Activation kind, float y) {
  switch (kind) {
    case Activation::kRelu:
      return scalar::step(y);
    case Activation::kTanh:
      return 1.f - y * y;
    case Activation::kSigmoid:
      return y * (1.f - y);
    default:
      return 1.f;
  }
}

// Launches d [m, n] = d times the slope where the activation's value is y [m, n], 0 behind a relu that is shut, and
// sums [n], unless that is null, of the columns of the result. It may use the step's workspace from byte
// `workspace_offset` on.
using SlopeRun = std::function<void(cudaStream_t, float* d, const float* y, float* sums)>;
SlopeRun plan_slope(Prepare& prepare, Activation kind, int64_t m, int64_t n, bool sums, size_t workspace_offset = 0);

}  // namespace gradstep::cuda
