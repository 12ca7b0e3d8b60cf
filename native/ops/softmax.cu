// softmax on CUDA over the last axis: a warp a row, or a block where rows are long. Three passes over a row that stays
// in the caches: its maximum, the exponentials and their sum, the division. y may be x.
#include "cuda/prepare.h"
#include "generated/args/softmax.h"
#include "ops/softmax.cuh"

namespace gradstep::cuda {
namespace {

template <int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads) softmax_kernel(const float* x, float* y, int64_t rows, int32_t length) {
  const int64_t row = Team<kTeam>::row();
  if (row >= rows) return;
  const float largest = row_max<kTeam, kWidth>(x + row * length, length);
  const float sum = row_exponentials<kTeam, kWidth>(x + row * length, largest, y + row * length, length);
  row_scale<kTeam, kWidth>(y + row * length, 1.f / sum, length);
}

}  // namespace

Step softmax(Prepare& prepare, const SoftmaxArgs& args) {
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  const int32_t length = args.x.dims[args.x.rank - 1];
  const int64_t rows = length > 0 ? args.x.size() / length : 0;
  if (rows == 0) return [](cudaStream_t) {};
  const RowLayout layout(rows, length);
  const auto kernel = choose(layout, softmax_kernel<kWarp, 1>, softmax_kernel<kWarp, 4>, softmax_kernel<kRowThreads, 1>,
                             softmax_kernel<kRowThreads, 4>);
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, x, y, rows, length);
  };
}

}  // namespace gradstep::cuda
