// mlp and mlp_grad layer by layer: products on the GEMM seam, as of matmul, and what stands between them.
#pragma once

#include "cuda/prepare.h"
#include "generated/args/mlp.h"

namespace gradstep::cuda {

constexpr int kMlpLayers = 4;  // as in lib/ops/mlp.ts

Step mlp_by_layers(Prepare& prepare, const MlpArgs& args);
Step mlp_grad_by_layers(Prepare& prepare, const MlpGradArgs& args);

}  // namespace gradstep::cuda
