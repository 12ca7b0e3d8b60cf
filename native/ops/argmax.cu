// argmax on CUDA: a warp a row, four neighbours a lane where rows divide by four. The first of equals wins, and a NaN
// beats every number, as in max_pool.
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/argmax.h"
#include "ops/pool.h"

namespace gradstep::cuda {
namespace {

struct Lead {
  float value;
  int32_t at;
};

// The one that a scan from left to right would keep.
__device__ inline Lead first_best(Lead a, Lead b) {
  const bool swap = b.at < a.at;
  const Lead earlier = swap ? b : a, later = swap ? a : b;
  return takes_lead(later.value, earlier.value) ? later : earlier;
}

template <int kWidth>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp)
    argmax_kernel(const float* x, int32_t* y, int64_t rows, int32_t length) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= rows) return;
  x += row * length;
  const int32_t lane = threadIdx.x % kWarp;
  // Lanes beyond the row's end repeat an element that another one has, which changes nothing.
  const int32_t first = min(lane * kWidth, length - kWidth);
  Lead best{x[first], first};
  for (int32_t i = lane * kWidth; i < length; i += kWarp * kWidth) {
    const Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      if (takes_lead(v.v[k], best.value)) best = {v.v[k], i + k};
    }
  }
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Lead other{__shfl_xor_sync(kAllLanes, best.value, distance), __shfl_xor_sync(kAllLanes, best.at, distance)};
    best = first_best(best, other);
  }
  if (lane == 0) y[row] = best.at;
}

}  // namespace

Step argmax(Prepare& prepare, const ArgmaxArgs& args) {
  const float* x = prepare.at(args.x);
  int32_t* y = prepare.at<int32_t>(args.y);
  const int64_t rows = args.y.size();
  const int32_t length = args.x.dims[args.x.rank - 1];
  const dim3 grid = blocks_for(rows, kRowsPerBlock);
  if (rows == 0) return [](cudaStream_t) {};
  const auto kernel = length % 4 == 0 ? argmax_kernel<4> : argmax_kernel<1>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, grid, dim3(kRowsPerBlock * kWarp), 0, x, y, rows, length);
  };
}

}  // namespace gradstep::cuda
