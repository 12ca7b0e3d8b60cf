// to_bfloat16 on CUDA, and the way back: one pass over all tensors, a row of blocks each, eight elements a thread at a
// time.
#include <algorithm>

#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "ops/to_bfloat16.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kConverted = 8;

// Accesses of 16 bytes: one of bfloat16, two of float32.
__device__ Pack<float, kConverted> load_eight(const Bfloat16* from) { return load_wide<kConverted>(from); }
__device__ Pack<float, kConverted> load_eight(const float* from) {
  const Pack<float, 4> low = load_pack<4>(from), high = load_pack<4>(from + 4);
  return {{low.v[0], low.v[1], low.v[2], low.v[3], high.v[0], high.v[1], high.v[2], high.v[3]}};
}
__device__ void store_eight(Bfloat16* to, const Pack<float, kConverted>& pack) { store_narrow(to, pack); }
__device__ void store_eight(float* to, const Pack<float, kConverted>& pack) {
  store_pack(to, Pack<float, 4>{{pack.v[0], pack.v[1], pack.v[2], pack.v[3]}});
  store_pack(to + 4, Pack<float, 4>{{pack.v[4], pack.v[5], pack.v[6], pack.v[7]}});
}

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads) convert_kernel(Conversions<From, To> all) {
  const From* const from = all.from[blockIdx.y];
  To* const to = all.to[blockIdx.y];
  const int64_t n = all.size[blockIdx.y];
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kConverted;
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kConverted; at < n; at += stride) {
    if (at + kConverted > n) {
      for (int64_t i = at; i < n; i++) to[i] = narrowed<To>(widened(from[i]));
      return;
    }
    store_eight(to + at, load_eight(from + at));
  }
}

template <typename From, typename To>
void convert_all(cudaStream_t stream, const Conversions<From, To>& all, int multiprocessors) {
  if (all.count == 0) return;
  const int64_t largest = *std::max_element(all.size, all.size + all.count);
  const int64_t most = static_cast<int64_t>(multiprocessors) * 8;
  dim3 grid = blocks_for(std::min((largest + kThreads * kConverted - 1) / (kThreads * kConverted), most), 1);
  grid.y = static_cast<unsigned>(all.count);
  launch(stream, convert_kernel<From, To>, grid, dim3(kThreads), all);
}

}  // namespace

void convert(cudaStream_t stream, const Roundings& all, int multiprocessors) {
  convert_all(stream, all, multiprocessors);
}

void convert(cudaStream_t stream, const Widenings& all, int multiprocessors) {
  convert_all(stream, all, multiprocessors);
}

Step to_bfloat16(Prepare& prepare, const ToBfloat16Args& args) {
  Roundings all{};
  for (const RoundedPair& pair : rounded_pairs(args)) {
    all.add(prepare.at(pair.x), prepare.at<Bfloat16>(pair.y), pair.x.size());
  }
  return
      [=, multiprocessors = prepare.multiprocessors()](cudaStream_t stream) { convert(stream, all, multiprocessors); };
}

}  // namespace gradstep::cuda
