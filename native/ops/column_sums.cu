// column_sums on CUDA: a block of 512 threads is cut into width columns, side by side, and height rows; each thread
// walks down its column, or four of them where columns divide by four, in float64, and the rows of the block are then
// added in a fixed order.
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/column_sums.h"

namespace gradstep::cuda {
namespace {

constexpr int kSumThreads = 512;

struct Columns {
  const float* x;        // [rows, columns]
  const float* times;    // the same, or null
  const float* weights;  // [rows], or null
  double* total;         // [columns]
  int64_t rows;
  int32_t columns;
  int32_t width;  // in packs; a power of two up to 32
};

template <int kWidth>
__global__ void __launch_bounds__(kSumThreads) column_sums_kernel(Columns c) {
  __shared__ Pack<double, kWidth> partial[kSumThreads];
  const int32_t thread = threadIdx.x;
  const int32_t height = kSumThreads / c.width;
  const int32_t column = (blockIdx.x * c.width + thread % c.width) * kWidth;
  const int32_t row = thread / c.width;
  Pack<double, kWidth> sum{};
  if (column < c.columns) {
    for (int64_t r = row; r < c.rows; r += height) {
      const int64_t at = r * c.columns + column;
      const Pack<float, kWidth> x = load_pack<kWidth>(c.x + at), times = load_or<kWidth>(c.times, at, 1.f);
      const double weight = c.weights ? c.weights[r] : 1.f;
#pragma unroll
      for (int k = 0; k < kWidth; k++) sum.v[k] += static_cast<double>(x.v[k]) * times.v[k] * weight;
    }
  }
  partial[thread] = sum;
  for (int32_t half = height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row >= half) continue;
#pragma unroll
    for (int k = 0; k < kWidth; k++) partial[thread].v[k] += partial[thread + half * c.width].v[k];
  }
  if (row != 0 || column >= c.columns) return;
#pragma unroll
  for (int k = 0; k < kWidth; k++) c.total[column + k] += partial[thread].v[k];
}

}  // namespace

Step column_sums(Prepare& prepare, const ColumnSumsArgs& args) {
  Columns c{prepare.at(args.x),
            prepare.at(args.times),
            prepare.at(args.weights),
            prepare.at<double>(args.total) + args.at,
            args.x.size() / args.columns,
            args.columns,
            1};
  const bool wide = c.columns % 4 == 0;
  const int32_t packs = wide ? c.columns / 4 : c.columns;
  while (c.width < kWarp && c.width < packs) c.width *= 2;
  const dim3 grid = blocks_for(packs, c.width);
  const auto kernel = wide ? column_sums_kernel<4> : column_sums_kernel<1>;
  return [=](cudaStream_t stream) { launch_cooperating(stream, kernel, grid, dim3(kSumThreads), 0, c); };
}

}  // namespace gradstep::cuda
