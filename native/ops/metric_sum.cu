// metric_sum on CUDA: one block adds x up in float64, in an order that depends only on its length, and adds the sum and
// the count to the running totals. With weights both are weighted. Threads read four neighbours at a time; what is left
// behind the last four goes to the first threads.
#include <cmath>

#include "core/state.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/metric_sum.h"

namespace gradstep::cuda {
namespace {

constexpr int kMetricThreads = 512;

struct MetricSum {
  const float* x;
  const float* weights;  // null: all 1
  const int32_t* state;
  double* total;
  int32_t* flag;
  int64_t n;
  double terms;
  bool guard;
};

template <bool kWeighted, int kWidth>
__device__ inline void add_terms(const MetricSum& m, int64_t i, double& sum, double& count) {
  const Pack<float, kWidth> x = load_pack<kWidth>(m.x + i),
                            w = load_or<kWidth>(kWeighted ? m.weights : nullptr, i, 1.f);
#pragma unroll
  for (int k = 0; k < kWidth; k++) {
    sum += static_cast<double>(w.v[k]) * x.v[k];
    count += w.v[k];
  }
}

template <bool kWeighted>
__global__ void __launch_bounds__(kMetricThreads) metric_sum_kernel(MetricSum m) {
  double sum = 0, count = 0;
  const int64_t packed = m.n / 4 * 4;
  for (int64_t i = threadIdx.x * 4; i < packed; i += kMetricThreads * 4) add_terms<kWeighted, 4>(m, i, sum, count);
  if (packed + threadIdx.x < m.n) add_terms<kWeighted, 1>(m, packed + threadIdx.x, sum, count);
  if constexpr (kWeighted) {
    count = block_sum<kMetricThreads>(count);
  } else {
    count = static_cast<double>(m.n);
  }
  sum = block_sum<kMetricThreads>(sum);
  if (threadIdx.x != 0) return;
  m.total[0] += sum;
  m.total[1] += m.terms * count;
  if (m.guard && !isfinite(sum) && m.flag[0] == kFlagNone) {
    m.flag[1] = 0;
    m.flag[2] = 0;
    m.flag[3] = m.state[kStateStep];
    m.flag[0] = kFlagNotFinite;
  }
}

}  // namespace

Step metric_sum(Prepare& prepare, const MetricSumArgs& args) {
  const MetricSum m{prepare.at(args.x),
                    prepare.at(args.weights),
                    prepare.at<int32_t>(args.state),
                    prepare.at<double>(args.total) + args.at,
                    prepare.at<int32_t>(args.flag),
                    args.x.size(),
                    static_cast<double>(args.terms),
                    args.guard == MetricSumArgs::kGuardYes};
  const auto kernel = m.weights ? metric_sum_kernel<true> : metric_sum_kernel<false>;
  return [=](cudaStream_t stream) { launch_cooperating(stream, kernel, dim3(1), dim3(kMetricThreads), 0, m); };
}

}  // namespace gradstep::cuda
