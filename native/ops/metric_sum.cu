// metric_sum on CUDA: one block adds x up in float64, in an order that depends only on its length, and adds the sum and
// the count to the running totals.
#include <cmath>

#include "core/state.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/metric_sum.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 512;

__global__ void __launch_bounds__(kThreads)
    metric_sum_kernel(const float* x, const int32_t* state, double* total, int32_t* flag, int64_t n, bool guard) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += x[i];
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x != 0) return;
  total[0] += sum;
  total[1] += static_cast<double>(n);
  if (guard && !isfinite(sum) && flag[0] == kFlagNone) {
    flag[1] = 0;
    flag[2] = 0;
    flag[3] = state[kStateStep];
    flag[0] = kFlagNotFinite;
  }
}

}  // namespace

Step metric_sum(Prepare& prepare, const MetricSumArgs& args) {
  const float* x = prepare.at(args.x);
  const int32_t* state = prepare.at<int32_t>(args.state);
  double* total = prepare.at<double>(args.total);
  int32_t* flag = prepare.at<int32_t>(args.flag);
  const int64_t n = args.x.size();
  const bool guard = args.guard == MetricSumArgs::kGuardYes;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, metric_sum_kernel, dim3(1), dim3(kThreads), 0, x, state, total, flag, n, guard);
  };
}

}  // namespace gradstep::cuda
