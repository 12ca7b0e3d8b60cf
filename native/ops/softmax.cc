// softmax on the CPU: maximum, exponentials, their sum, the quotient. Long rows one by one; short ones by blocks whose
// exponentials are one loop, and whose maxima and sums are found for eight rows at a time.
#include "generated/args/softmax.h"

#include "cpu/octet.h"
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

// A block of rows of n <= kShortRow.
GRADSTEP_VECTORISED void softmax_block(float* y, const float* x, int64_t rows, int64_t n, float* max, float* sum) {
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
  std::memcpy(max, most, rows * sizeof(float));
  std::memcpy(sum, total, rows * sizeof(float));
#pragma GCC ivdep
  for (int64_t r = 0; r < rows; r++) total[r] = 1.f / total[r];
  each_row(in.at, rows, n, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    load_octet(v, out.at + r * n + i);
    v *= total[r];
  });
  std::memcpy(y, in.at, rows * n * sizeof(float));
}

}  // namespace

GRADSTEP_VECTORISED float row_maximum(const float* x, int64_t n) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
  return most;
}

void softmax_rows(float* y, const float* x, int64_t rows, int64_t n, RowScales& scales) {
  if (n <= kShortRow) {
    const int64_t block = rows_of_block(n);
    for (int64_t r = 0; r < rows; r += block) {
      softmax_block(y + r * n, x + r * n, std::min(block, rows - r), n, scales.max + r, scales.sum + r);
    }
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    float* row = y + r * n;
    scales.max[r] = row_maximum(x + r * n, n);
    exp_shifted(row, x + r * n, scales.max[r], n);
    scales.sum[r] = static_cast<float>(sum(row, n));
    scale(row, 1.f / scales.sum[r], n);
  }
}

Step softmax(Prepare& prepare, const SoftmaxArgs& args) {
  const int64_t classes = args.x.rank > 0 ? args.x.dims[args.x.rank - 1] : 1;
  const int64_t rows = args.x.size() / classes;
  const int parts = parts_of(args.x.size(), prepare.threads(), kGrain / 8);
  return [rows, classes, parts, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      RowScales scales;
      for (int64_t r = begin; r < end; r += kSoftmaxRows) {
        softmax_rows(y + r * classes, x + r * classes, std::min(kSoftmaxRows, end - r), classes, scales);
      }
    });
  };
}

}  // namespace gradstep::cpu
