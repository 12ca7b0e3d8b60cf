// metric_sum on CUDA: one block adds x up in float64, in an order that depends only on its length, and adds the sum and
// the count to the running totals. With weights both are weighted.
#include <cmath>

#include "core/state.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/metric_sum.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 512;

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

template <bool kWeighted>
__global__ void __launch_bounds__(kThreads) metric_sum_kernel(MetricSum m) {
  double sum = 0, count = static_cast<double>(m.n);
  if constexpr (kWeighted) {
    count = 0;
    for (int64_t i = threadIdx.x; i < m.n; i += kThreads) {
      const double w = m.weights[i];
      sum += w * m.x[i];
      count += w;
    }
    count = block_sum<kThreads>(count);
  } else {
    for (int64_t i = threadIdx.x; i < m.n; i += kThreads) sum += m.x[i];
  }
  sum = block_sum<kThreads>(sum);
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
  return [=](cudaStream_t stream) { launch_cooperating(stream, kernel, dim3(1), dim3(kThreads), 0, m); };
}

}  // namespace gradstep::cuda
