// softmax on the CPU, a row at a time: maximum, exponentials, their sum, the quotient.
#include "generated/args/softmax.h"

#include "cpu/prepare.h"
#include "cpu/softmax_row.h"
#include "cpu/vector.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void exp_shifted(float* y, const float* x, float shift, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = scalar::exp(x[i] - shift);
}

}  // namespace

RowScale softmax_row(float* y, const float* x, int64_t n) {
  float max = x[0];
  for (int64_t i = 1; i < n; i++) max = scalar::maximum(max, x[i]);
  exp_shifted(y, x, max, n);
  const float total = static_cast<float>(sum(y, n));
  scale(y, 1.f / total, n);
  return {max, total};
}

Step softmax(Prepare& prepare, const SoftmaxArgs& args) {
  const int64_t classes = args.x.rank > 0 ? args.x.dims[args.x.rank - 1] : 1;
  const int64_t rows = args.x.size() / classes;
  const int parts = parts_of(args.x.size(), prepare.threads(), kGrain / 8);
  return [rows, classes, parts, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) softmax_row(y + r * classes, x + r * classes, classes);
    });
  };
}

}  // namespace gradstep::cpu
