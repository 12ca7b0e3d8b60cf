// metricSum on the CPU: float64 totals over the whole pass; a sum that is not finite raises the flag when guarded.
#include "generated/args/metric_sum.h"

#include <cmath>

#include "core/state.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {

Step metric_sum(Prepare& prepare, const MetricSumArgs& args) {
  return [n = args.x.size(), guard = args.guard == MetricSumArgs::kGuardYes, terms = static_cast<double>(args.terms),
          x = prepare.at(args.x), weights = prepare.at(args.weights), state = prepare.at<int32_t>(args.state),
          total = prepare.at<double>(args.total) + args.at, flag = prepare.at<int32_t>(args.flag)] {
    const double s = weights ? dot(x, weights, n) : sum(x, n);
    total[0] += s;
    total[1] += terms * (weights ? sum(weights, n) : static_cast<double>(n));
    if (guard && !std::isfinite(s) && flag[0] == kFlagNone) {
      flag[1] = 0;
      flag[2] = 0;
      flag[3] = state[kStateStep];
      flag[0] = kFlagNotFinite;
    }
  };
}

}  // namespace gradstep::cpu
