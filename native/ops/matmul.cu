// matmul on CUDA: the GEMM seam makes the product, bias and relu included. A mask is applied by a pass of our own
// behind it, which also sums the columns.
#include "cuda/prepare.h"
#include "generated/args/matmul.h"
#include "ops/slope_pass.cuh"

namespace gradstep::cuda {
namespace {

struct Mask {
  const float* mask;  // [m, n]
  int64_t n;
  __device__ float operator()(float y, int64_t row, int64_t column) const {
    return mask[row * n + column] > 0.f ? y : 0.f;
  }
};

}  // namespace

Step matmul(Prepare& prepare, const MatmulArgs& args) {
  const bool transpose_a = args.transpose_a == MatmulArgs::kTransposeAYes;
  GemmShape shape{};
  shape.m = args.y.dims[0];
  shape.n = args.y.dims[1];
  shape.k = transpose_a ? args.a.dims[0] : args.a.dims[1];
  shape.transpose_a = transpose_a;
  shape.transpose_b = args.transpose_b == MatmulArgs::kTransposeBYes;
  shape.accumulate = args.accumulate_y != 0;
  shape.bias = args.bias.present();
  shape.relu = args.activation == MatmulArgs::kActivationRelu;
  shape.precision = precision_of(args);
  if (shape.m == 0 || shape.n == 0) return [](cudaStream_t) {};

  const float* a = prepare.at(args.a);
  const float* b = prepare.at(args.b);
  const float* bias = prepare.at(args.bias);
  const float* mask = prepare.at(args.mask);
  float* y = prepare.at(args.y);
  const Workspace workspace = prepare.workspace(prepare.gemm().workspace_bytes(shape));
  const Gemm::Run run = prepare.gemm().plan(shape);
  if (mask == nullptr) return [=](cudaStream_t stream) { run(stream, a, b, bias, y, workspace.data()); };
  const Step pass = plan_slope_pass(prepare, shape.m, shape.n, y, Mask{mask, shape.n}, prepare.at(args.sums));
  return [=](cudaStream_t stream) {
    run(stream, a, b, bias, y, workspace.data());
    pass(stream);
  };
}

}  // namespace gradstep::cuda
