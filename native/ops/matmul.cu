// matmul on CUDA: the GEMM seam makes the product, bias and relu included. A mask is applied by a pass of our own
// behind it, which also sums the columns: their parts, one a slice of the rows, are added by reduce_sum's kernel.
#include <algorithm>

#include "cuda/prepare.h"
#include "generated/args/matmul.h"
#include "ops/reduce_sum.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kColumns = 32, kRows = 8;  // of a block's threads
constexpr int64_t kShortest = 16;        // rows that a thread has at least, where there are as many

struct MaskPass {
  int64_t m, n;
  int64_t tiles;                 // blocks along n
  int64_t slices, slice_length;  // along m
};

MaskPass plan_mask(int64_t m, int64_t n, int multiprocessors) {
  const int64_t tiles = (n + kColumns - 1) / kColumns;
  const int64_t most = (m + kRows * kShortest - 1) / (kRows * kShortest);
  const int64_t wanted = std::min(most, (4 * multiprocessors + tiles - 1) / tiles);
  const int64_t length = (m + wanted - 1) / wanted;
  return {m, n, tiles, (m + length - 1) / length, length};
}

// y [m, n] = 0 where mask is not above 0; sums [slices, n], where wanted, of what is left.
__global__ void __launch_bounds__(kColumns* kRows) mask_kernel(MaskPass p, float* y, const float* mask, float* sums) {
  __shared__ float partial[kRows][kColumns];
  const int32_t column = threadIdx.x % kColumns, row = threadIdx.x / kColumns;
  const int64_t slice = blockIdx.x / p.tiles;
  const int64_t c = blockIdx.x % p.tiles * kColumns + column;
  const int64_t end = min((slice + 1) * p.slice_length, p.m);
  float sum = 0.f;
  if (c < p.n) {
    for (int64_t r = slice * p.slice_length + row; r < end; r += kRows) {
      const int64_t at = r * p.n + c;
      const float left = mask[at] > 0.f ? y[at] : 0.f;
      y[at] = left;
      sum += left;
    }
  }
  if (sums == nullptr) return;
  partial[row][column] = sum;
  for (int32_t half = kRows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) partial[row][column] += partial[row + half][column];
  }
  if (row == 0 && c < p.n) sums[slice * p.n + c] = partial[0][column];
}

// What follows a product that is masked; empty: it is not.
Step plan_masking(Prepare& prepare, const MatmulArgs& args, int64_t m, int64_t n) {
  const float* mask = prepare.at(args.mask);
  if (mask == nullptr) return {};
  float* y = prepare.at(args.y);
  float* sums = prepare.at(args.sums);
  const MaskPass pass = plan_mask(m, n, prepare.multiprocessors());
  const auto launch_pass = [=](cudaStream_t stream, float* to) {
    launch_cooperating(stream, mask_kernel, blocks_for(pass.tiles * pass.slices, 1), dim3(kColumns * kRows), 0, pass, y,
                       mask, to);
  };
  if (sums == nullptr || pass.slices == 1) return [=](cudaStream_t stream) { launch_pass(stream, sums); };
  const size_t bytes = static_cast<size_t>(pass.slices * n) * sizeof(float);
  const Workspace workspace = prepare.workspace(bytes);
  const SumRun add = plan_sum(prepare, {1, pass.slices, n, 1.f, false}, bytes);
  return [=](cudaStream_t stream) {
    float* partial = static_cast<float*>(workspace.data());
    launch_pass(stream, partial);
    add(stream, partial, sums);
  };
}

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
  float* y = prepare.at(args.y);
  const Workspace workspace = prepare.workspace(prepare.gemm().workspace_bytes(shape));
  const Gemm::Run run = prepare.gemm().plan(shape);
  const Step mask = plan_masking(prepare, args, shape.m, shape.n);
  return [=](cudaStream_t stream) {
    run(stream, a, b, bias, y, workspace.data());
    if (mask) mask(stream);
  };
}

}  // namespace gradstep::cuda
