// cumulativeSum on CUDA: a block a row. 256 threads take 1,024 neighbours at a time, four each: sums within a thread,
// across the warp, across the warps, and what the row has come to so far. The order depends on nothing but the length.
// Those four are one access where rows divide by four.
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/cumulative_sum.h"

namespace gradstep::cuda {
namespace {

constexpr int kScanned = 4;

// The sum over this lane and those before it.
__device__ inline float warp_scan(float value) {
  const int lane = threadIdx.x % kWarp;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const float before = __shfl_up_sync(kAllLanes, value, distance);
    if (lane >= distance) value += before;
  }
  return value;
}

// Elements first… in the order of summation; 0 beyond the row.
template <bool kWide>
__device__ inline Pack<float, kScanned> take(const float* x, int32_t first, int32_t length, bool reverse) {
  Pack<float, kScanned> v{};
  if constexpr (kWide) {
    if (first >= length) return v;
    v = load_pack<kScanned>(x + (reverse ? length - kScanned - first : first));
    if (reverse) v = {v.v[3], v.v[2], v.v[1], v.v[0]};
  } else {
#pragma unroll
    for (int k = 0; k < kScanned; k++) {
      const int32_t i = first + k;
      if (i < length) v.v[k] = x[reverse ? length - 1 - i : i];
    }
  }
  return v;
}

template <bool kWide>
__device__ inline void put(float* y, int32_t first, int32_t length, bool reverse, Pack<float, kScanned> v) {
  if constexpr (kWide) {
    if (first >= length) return;
    if (reverse) v = {v.v[3], v.v[2], v.v[1], v.v[0]};
    store_pack(y + (reverse ? length - kScanned - first : first), v);
  } else {
#pragma unroll
    for (int k = 0; k < kScanned; k++) {
      const int32_t i = first + k;
      if (i < length) y[reverse ? length - 1 - i : i] = v.v[k];
    }
  }
}

template <bool kWide>
__global__ void __launch_bounds__(kThreads)
    scan_kernel(const float* x, float* y, int32_t length, bool exclusive, bool reverse) {
  __shared__ float totals[kWarps];
  x += static_cast<int64_t>(blockIdx.x) * length;
  y += static_cast<int64_t>(blockIdx.x) * length;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  float carry = 0.f;
  for (int32_t begin = 0; begin < length; begin += kThreads * kScanned) {
    const int32_t first = begin + static_cast<int32_t>(threadIdx.x) * kScanned;
    Pack<float, kScanned> v = take<kWide>(x, first, length, reverse);
    float own = 0.f;
#pragma unroll
    for (int k = 0; k < kScanned; k++) own += v.v[k];
    const float through = warp_scan(own);
    if (lane == kWarp - 1) totals[warp] = through;
    __syncthreads();
    float sum = carry + __shfl_up_sync(kAllLanes, through, 1);
    if (lane == 0) sum = carry;
#pragma unroll
    for (int w = 0; w < kWarps; w++) {
      if (w < warp) sum += totals[w];
      carry += totals[w];
    }
#pragma unroll
    for (int k = 0; k < kScanned; k++) {
      const float before = sum;
      sum += v.v[k];
      v.v[k] = exclusive ? before : sum;
    }
    put<kWide>(y, first, length, reverse, v);
    __syncthreads();
  }
}

}  // namespace

Step cumulative_sum(Prepare& prepare, const CumulativeSumArgs& args) {
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  const dim3 grid = blocks_for(args.x.dims[0], 1);
  const int32_t length = args.x.dims[1];
  const bool exclusive = args.exclusive == CumulativeSumArgs::kExclusiveYes;
  const bool reverse = args.reverse == CumulativeSumArgs::kReverseYes;
  const auto kernel = length % kScanned == 0 ? scan_kernel<true> : scan_kernel<false>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, grid, dim3(kThreads), 0, x, y, length, exclusive, reverse);
  };
}

}  // namespace gradstep::cuda
