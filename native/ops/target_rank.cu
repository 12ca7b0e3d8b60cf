// target_rank on CUDA: a warp a row counts what is not smaller than or equal to the target's element.
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/target_rank.h"

namespace gradstep::cuda {
namespace {

template <int kWidth>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp)
    target_rank_kernel(const float* x, const int32_t* target, int32_t* y, int64_t rows, int32_t length) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= rows) return;
  x += row * length;
  const int32_t lane = threadIdx.x % kWarp;
  const int32_t t = target[row];
  const bool inside = t >= 0 && t < length;
  const float value = x[inside ? t : 0];
  int32_t count = 0;
  for (int32_t i = lane * kWidth; i < length; i += kWarp * kWidth) {
    const Pack<float, kWidth> here = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) count += !(here.v[k] <= value);
  }
  count = warp_reduce(count, Sum{});
  if (lane == 0) y[row] = inside ? count : length;
}

}  // namespace

Step target_rank(Prepare& prepare, const TargetRankArgs& args) {
  const float* x = prepare.at(args.x);
  const int32_t* target = prepare.at<int32_t>(args.target);
  int32_t* y = prepare.at<int32_t>(args.y);
  const int64_t rows = args.y.size();
  const int32_t length = args.x.dims[args.x.rank - 1];
  const dim3 grid = blocks_for(rows, kRowsPerBlock);
  const auto kernel = length % 4 == 0 ? target_rank_kernel<4> : target_rank_kernel<1>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, grid, dim3(kRowsPerBlock * kWarp), 0, x, target, y, rows, length);
  };
}

}  // namespace gradstep::cuda
