// batchMatmul on CUDA: the GEMM seam does it all, in one launch where operands are stored alike.
#include "cuda/prepare.h"
#include "generated/args/batch_matmul.h"
#include "ops/stored_product.cuh"

namespace gradstep::cuda {

Step batch_matmul(Prepare& prepare, const BatchMatmulArgs& args) {
  const bool transpose_a = args.transpose_a == BatchMatmulArgs::kTransposeAYes;
  GemmShape shape{};
  shape.m = args.y.dims[1];
  shape.n = args.y.dims[2];
  shape.k = args.a.dims[transpose_a ? 1 : 2];
  shape.transpose_a = transpose_a;
  shape.transpose_b = args.transpose_b == BatchMatmulArgs::kTransposeBYes;
  shape.accumulate = args.accumulate_y != 0;
  shape.batch = args.y.dims[0];
  shape.precision = precision_of(args);
  shape.stride_a = args.a.dims[0] == 1 ? 0 : shape.m * shape.k;
  shape.stride_b = args.b.dims[0] == 1 ? 0 : shape.k * shape.n;

  return StoredProduct(prepare, shape, {args.a, args.b, {}, args.y, {}, {}});
}

}  // namespace gradstep::cuda
