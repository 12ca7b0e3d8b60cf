// softmaxCrossEntropy on the CPU: loss = log Σ exp(x − max) − (x[label] − max), or with a distribution t:
// Σ_c t_c (log Σ exp(x − max) − (x_c − max)). Wrong labels are looked for first, in order, so that the flag always
// names the first one.
#include "generated/args/softmax_cross_entropy.h"

#include "core/state.h"
#include "cpu/prepare.h"
#include "cpu/softmax_row.h"
#include "cpu/vector.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

void check_labels(const int32_t* labels, int64_t rows, int64_t classes, const int32_t* state, int32_t* flag) {
  if (flag[0] != kFlagNone) return;
  for (int64_t r = 0; r < rows; r++) {
    if (labels[r] >= 0 && labels[r] < classes) continue;
    flag[1] = static_cast<int32_t>(r);
    flag[2] = labels[r];
    flag[3] = state[kStateStep];
    flag[0] = kFlagLabelRange;
    return;
  }
}

float sparse_loss(const float* x, int32_t label, int64_t classes, const RowScale& row) {
  if (label < 0 || label >= classes) return 0.f;
  return scalar::log(row.sum) - (x[label] - row.max);
}

float dense_loss(const float* x, const float* t, int64_t classes, const RowScale& row) {
  const float log_sum = scalar::log(row.sum);
  double total = 0;
  for (int64_t c = 0; c < classes; c++) {
    if (t[c] != 0.f) total += static_cast<double>(t[c]) * (log_sum - (x[c] - row.max));
  }
  return static_cast<float>(total);
}

GRADSTEP_VECTORISED void difference(float* dx, const float* p, const float* t, float mass, float g, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = (p[i] * mass - t[i]) * g;
}

GRADSTEP_VECTORISED void scaled(float* dx, const float* p, float g, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = p[i] * g;
}

}  // namespace

Step softmax_cross_entropy(Prepare& prepare, const SoftmaxCrossEntropyArgs& args) {
  const int64_t rows = args.x.dims[0], classes = args.x.dims[1];
  const int parts = parts_of(rows * classes, prepare.threads(), kGrain / 8);
  const bool sparse = args.labels.dtype == DType::kInt32;
  return [rows, classes, parts, sparse, x = prepare.at(args.x), p = prepare.at(args.probabilities),
          loss = prepare.at(args.loss), classes_of = prepare.at<int32_t>(args.labels), t = prepare.at(args.labels),
          state = prepare.at<int32_t>(args.state), flag = prepare.at<int32_t>(args.flag)] {
    if (sparse) check_labels(classes_of, rows, classes, state, flag);
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const float* row = x + r * classes;
        const RowScale scale = softmax_row(p + r * classes, row, classes);
        loss[r] =
            sparse ? sparse_loss(row, classes_of[r], classes, scale) : dense_loss(row, t + r * classes, classes, scale);
      }
    });
  };
}

Step softmax_cross_entropy_dx(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args) {
  const int64_t rows = args.dx.dims[0], classes = args.dx.dims[1];
  const int parts = parts_of(rows * classes, prepare.threads());
  const bool sparse = args.labels.dtype == DType::kInt32;
  return [rows, classes, parts, sparse, p = prepare.at(args.probabilities), dx = prepare.at(args.dx),
          g = prepare.at(args.dloss), classes_of = prepare.at<int32_t>(args.labels), t = prepare.at(args.labels)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const int64_t at = r * classes;
        if (!sparse) {
          difference(dx + at, p + at, t + at, static_cast<float>(sum(t + at, classes)), g[r], classes);
          continue;
        }
        const int32_t label = classes_of[r];
        const bool valid = label >= 0 && label < classes;
        scaled(dx + at, p + at, valid ? g[r] : 0.f, classes);
        if (valid) dx[at + label] -= g[r];
      }
    });
  };
}

}  // namespace gradstep::cpu
