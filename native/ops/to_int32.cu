// to_int32 on CUDA: up to four neighbours a thread.
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "generated/args/to_int32.h"
#include "ops/to_int32.h"

namespace gradstep::cuda {
namespace {

template <int kWidth>
__global__ void __launch_bounds__(kThreads) truncate_kernel(const float* x, int32_t* y, int64_t packs) {
  const int64_t pack = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pack >= packs) return;
  const Pack<float, kWidth> v = load_pack<kWidth>(x + pack * kWidth);
  Pack<int32_t, kWidth> whole;
#pragma unroll
  for (int k = 0; k < kWidth; k++) whole.v[k] = truncated(v.v[k]);
  store_pack(y + pack * kWidth, whole);
}

}  // namespace

Step to_int32(Prepare& prepare, const ToInt32Args& args) {
  const float* x = prepare.at(args.x);
  int32_t* y = prepare.at<int32_t>(args.y);
  const int width = args.x.size() % 4 == 0 ? 4 : 1;
  const int64_t packs = args.x.size() / width;
  const auto kernel = width == 4 ? truncate_kernel<4> : truncate_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(packs, kThreads), dim3(kThreads), x, y, packs); };
}

}  // namespace gradstep::cuda
