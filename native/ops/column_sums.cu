// column_sums on CUDA: a block of 512 threads is cut into width columns, side by side, and height rows; each thread
// walks down its column in float64, and the rows of the block are then added in a fixed order.
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/column_sums.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 512;

struct Columns {
  const float* x;        // [rows, columns]
  const float* times;    // the same, or null
  const float* weights;  // [rows], or null
  double* total;         // [columns]
  int64_t rows;
  int32_t columns;
  int32_t width;  // a power of two up to 32
};

__global__ void __launch_bounds__(kThreads) column_sums_kernel(Columns c) {
  __shared__ double partial[kThreads];
  const int32_t thread = threadIdx.x;
  const int32_t height = kThreads / c.width;
  const int32_t column = blockIdx.x * c.width + thread % c.width;
  const int32_t row = thread / c.width;
  double sum = 0;
  if (column < c.columns) {
    for (int64_t r = row; r < c.rows; r += height) {
      const int64_t at = r * c.columns + column;
      double v = c.x[at];
      if (c.times) v *= c.times[at];
      if (c.weights) v *= c.weights[r];
      sum += v;
    }
  }
  partial[thread] = sum;
  for (int32_t half = height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) partial[thread] += partial[thread + half * c.width];
  }
  if (row == 0 && column < c.columns) c.total[column] += partial[thread];
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
  while (c.width < kWarp && c.width < c.columns) c.width *= 2;
  const dim3 grid = blocks_for(c.columns, c.width);
  return [=](cudaStream_t stream) { launch_cooperating(stream, column_sums_kernel, grid, dim3(kThreads), 0, c); };
}

}  // namespace gradstep::cuda
