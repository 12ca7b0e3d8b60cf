// log_softmax on the CPU: maximum, the sum of exponentials by blocks that stay in the first-level cache, the
// difference. Long rows one by one; of short ones a block at a time (see cpu/octet.h). y may be x.
#include "generated/args/log_softmax.h"

#include <algorithm>

#include "cpu/octet.h"
#include "cpu/prepare.h"
#include "cpu/softmax_row.h"
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
  const float max = row_maximum(x, n);
  float block[kBlock];
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = std::min(kBlock, n - i);
    exp_shifted(block, x + i, max, count);
    total += sum(block, count);
  }
  subtract(y, x, max, scalar::log(static_cast<float>(total)), n);
}

// A block of rows of n <= kShortRow.
GRADSTEP_VECTORISED void log_softmax_block(float* y, const float* x, int64_t rows, int64_t n) {
  RowBlock in, out;
  float most[kBlockRows], total[kBlockRows];
  std::memcpy(in.at, x, rows * n * sizeof(float));
  fold_rows<OctetMax>(most, rows, n,
                      [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED { load_octet(v, in.at + r * n + i); });
  each_row(out.at, rows, n, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    load_octet(v, in.at + r * n + i);
    v -= most[r];
  });
#pragma GCC ivdep
  for (int64_t i = 0; i < rows * n; i++) out.at[i] = scalar::exp(out.at[i]);
  fold_rows<OctetSum>(total, rows, n,
                      [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED { load_octet(v, out.at + r * n + i); });
#pragma GCC ivdep
  for (int64_t r = 0; r < rows; r++) total[r] = scalar::log(total[r]);
  each_row(out.at, rows, n, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    load_octet(v, in.at + r * n + i);
    v = (v - most[r]) - total[r];
  });
  std::memcpy(y, out.at, rows * n * sizeof(float));
}

void log_softmax_rows(float* y, const float* x, int64_t rows, int64_t n) {
  const int64_t block = n <= kShortRow ? rows_of_block(n) : 1;
  for (int64_t r = 0; r < rows; r += block) {
    if (block > 1) log_softmax_block(y + r * n, x + r * n, std::min(block, rows - r), n);
    if (block == 1) log_softmax_row(y + r * n, x + r * n, n);
  }
}

}  // namespace

Step log_softmax(Prepare& prepare, const LogSoftmaxArgs& args) {
  const int64_t classes = args.x.rank > 0 ? args.x.dims[args.x.rank - 1] : 1;
  const int64_t rows = args.x.size() / classes;
  const int parts = parts_of(args.x.size(), prepare.threads(), kGrain / 8);
  return [rows, classes, parts, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      log_softmax_rows(y + begin * classes, x + begin * classes, end - begin, classes);
    });
  };
}

}  // namespace gradstep::cpu
