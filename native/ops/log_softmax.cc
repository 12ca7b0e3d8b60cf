// log_softmax on the CPU, a row at a time: maximum, the sum of exponentials by blocks that stay in the first-level
// cache, the difference. y may be x.
#include "generated/args/log_softmax.h"

#include <algorithm>

#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kBlock = 512;

GRADSTEP_VECTORISED void exp_shifted(float* y, const float* x, float shift, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = scalar::exp(x[i] - shift);
}

GRADSTEP_VECTORISED void subtract(float* y, const float* x, float shift, float log_sum, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = (x[i] - shift) - log_sum;
}

void log_softmax_row(float* y, const float* x, int64_t n) {
  float max = x[0];
  for (int64_t i = 1; i < n; i++) max = scalar::maximum(max, x[i]);
  float block[kBlock];
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = std::min(kBlock, n - i);
    exp_shifted(block, x + i, max, count);
    total += sum(block, count);
  }
  subtract(y, x, max, scalar::log(static_cast<float>(total)), n);
}

}  // namespace

Step log_softmax(Prepare& prepare, const LogSoftmaxArgs& args) {
  const int64_t classes = args.x.rank > 0 ? args.x.dims[args.x.rank - 1] : 1;
  const int64_t rows = args.x.size() / classes;
  const int parts = parts_of(args.x.size(), prepare.threads(), kGrain / 8);
  return [rows, classes, parts, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) log_softmax_row(y + r * classes, x + r * classes, classes);
    });
  };
}

}  // namespace gradstep::cpu
