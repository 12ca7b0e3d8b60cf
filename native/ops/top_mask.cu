// top_mask on CUDA: a warp a row finds one leader after the other: the best of those that come after the last one. k
// passes over a row that stays in the cache.
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/top_mask.h"
#include "ops/pool.h"

namespace gradstep::cuda {
namespace {

struct Candidate {
  float value;
  int32_t at;  // beyond the row: nothing
};

// Whether a comes before b: the larger first, then the earlier.
__device__ inline bool before(Candidate a, Candidate b) {
  return takes_lead(a.value, b.value) || (!takes_lead(b.value, a.value) && a.at < b.at);
}

template <int kWidth>
__global__ void __launch_bounds__(kRowsPerBlock* kWarp)
    top_mask_kernel(const float* x, float* y, int32_t* at, int64_t rows, int32_t length, int32_t k) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= rows) return;
  x += row * length;
  const int32_t lane = threadIdx.x % kWarp;
  if (y != nullptr) {
    y += row * length;
    for (int32_t i = lane * kWidth; i < length; i += kWarp * kWidth) store_pack(y + i, Pack<float, kWidth>{});
  }
  __syncwarp();
  Candidate last{0.f, -1};
  for (int32_t found = 0; found < k; found++) {
    Candidate best{0.f, length};
    for (int32_t i = lane * kWidth; i < length; i += kWarp * kWidth) {
      const Pack<float, kWidth> values = load_pack<kWidth>(x + i);
#pragma unroll
      for (int e = 0; e < kWidth; e++) {
        const Candidate here{values.v[e], i + e};
        if (found > 0 && !before(last, here)) continue;
        if (best.at == length || before(here, best)) best = here;
      }
    }
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      const Candidate other{__shfl_xor_sync(kAllLanes, best.value, distance),
                            __shfl_xor_sync(kAllLanes, best.at, distance)};
      if (best.at == length || (other.at < length && before(other, best))) best = other;
    }
    if (lane == 0 && y != nullptr) y[best.at] = 1.f;
    if (lane == 0 && at != nullptr) at[row * k + found] = best.at;
    last = best;
  }
}

}  // namespace

Step top_mask(Prepare& prepare, const TopMaskArgs& args) {
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  int32_t* at = prepare.at<int32_t>(args.at);
  const int32_t length = args.x.dims[args.x.rank - 1], k = args.k;
  const int64_t rows = args.x.size() / length;
  const dim3 grid = blocks_for(rows, kRowsPerBlock);
  const auto kernel = length % 4 == 0 ? top_mask_kernel<4> : top_mask_kernel<1>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, grid, dim3(kRowsPerBlock * kWarp), 0, x, y, at, rows, length, k);
  };
}

}  // namespace gradstep::cuda
