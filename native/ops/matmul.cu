// matmul on CUDA: the GEMM seam makes the product, bias and relu included. A mask is applied by a pass of our own
// behind it, which also sums the columns.
#include "cuda/prepare.h"
#include "generated/args/matmul.h"
#include "ops/slope_pass.cuh"
#include "ops/stored_product.cuh"

namespace gradstep::cuda {
namespace {

// Of what a relu has yielded, [m, n], stored in either type.
struct Mask {
  const void* mask;
  bool is_narrow;
  int64_t n;
  template <int kPack>
  __device__ Pack<float, kPack> operator()(Pack<float, kPack> y, int64_t row, int64_t column) const {
    const int64_t at = row * n + column;
    const Pack<float, kPack> by = is_narrow ? load_wide<kPack>(static_cast<const Bfloat16*>(mask) + at)
                                            : load_wide<kPack>(static_cast<const float*>(mask) + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) y.v[k] = by.v[k] > 0.f ? y.v[k] : 0.f;
    return y;
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
  if (args.activation == MatmulArgs::kActivationRelu) shape.epilogue = Epilogue::kRelu;
  shape.precision = precision_of(args);
  if (shape.m == 0 || shape.n == 0) return [](cudaStream_t) {};

  const Product product{args.a, args.b, args.bias, args.y, {}, args.sums};
  if (args.mask.present()) {
    const Mask mask{prepare.at<void>(args.mask), args.mask.dtype == DType::kBfloat16, shape.n};
    return plan_sloped_product(prepare, shape, product, mask);
  }
  return StoredProduct(prepare, shape, product);
}

}  // namespace gradstep::cuda
