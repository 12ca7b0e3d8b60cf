// What both ways of mlp and mlp_grad share: activations; and the way layer by layer, products on the GEMM seam and what
// stands between them.
#pragma once

#include "cuda/prepare.h"
#include "generated/args/mlp.h"
#include "ops/scalar.h"

namespace gradstep::cuda {

constexpr int kMlpLayers = 4;  // as in lib/ops/mlp.ts

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

Step mlp_by_layers(Prepare& prepare, const MlpArgs& args);
Step mlp_grad_by_layers(Prepare& prepare, const MlpGradArgs& args);

}  // namespace gradstep::cuda
