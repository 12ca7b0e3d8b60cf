// log_softmax on CUDA over the last axis: a warp a row, or a block where rows are long. Three passes over a row that
// stays in the caches: its maximum, the sum of exponentials, the difference. y may be x: each thread writes only what
// it alone reads.
#include "cuda/prepare.h"
#include "generated/args/log_softmax.h"
#include "ops/softmax.cuh"

namespace gradstep::cuda {
namespace {

template <int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads)
    log_softmax_kernel(const float* x, float* y, int64_t rows, int32_t length) {
  const int64_t row = Team<kTeam>::row();
  if (row >= rows) return;
  x += row * length;
  y += row * length;
  const float largest = row_max<kTeam, kWidth>(x, length);
  float sum = 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < length; i += kTeam * kWidth) {
    const Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) sum += scalar::exp(v.v[k] - largest);
  }
  const float log_sum = scalar::log(Team<kTeam>::reduce(sum, Sum{}, 0.f));
  for (int32_t i = Team<kTeam>::member() * kWidth; i < length; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] = (v.v[k] - largest) - log_sum;
    store_pack(y + i, v);
  }
}

}  // namespace

Step log_softmax(Prepare& prepare, const LogSoftmaxArgs& args) {
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  const int32_t length = args.x.rank > 0 ? args.x.dims[args.x.rank - 1] : 1;
  const int64_t rows = length > 0 ? args.x.size() / length : 0;
  if (rows == 0) return [](cudaStream_t) {};
  const RowLayout layout(rows, length);
  const auto kernel = choose(layout, log_softmax_kernel<kWarp, 1>, log_softmax_kernel<kWarp, 4>,
                             log_softmax_kernel<kRowThreads, 1>, log_softmax_kernel<kRowThreads, 4>);
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, x, y, rows, length);
  };
}

}  // namespace gradstep::cuda
