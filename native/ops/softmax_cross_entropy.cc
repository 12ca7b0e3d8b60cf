// softmaxCrossEntropy on the CPU: loss = log Σ exp(x − max) − (x[label] − max), or with a distribution t:
// Σ_c t_c (log Σ exp(x − max) − (x_c − max)). Wrong labels are looked for first, in order, so that the flag always
// names the first one. Rows are taken in blocks that stay in the cache: their probabilities, their losses and, where it
// is asked for, their gradient. Probabilities that nobody asks for lie where the gradient will, or in the workspace; so
// does a gradient before it is rounded.
#include "generated/args/softmax_cross_entropy.h"

#include <algorithm>
#include <cstring>

#include "core/state.h"
#include "cpu/bfloat16.h"
#include "cpu/octet.h"
#include "cpu/prepare.h"
#include "cpu/softmax_row.h"
#include "cpu/stored.h"
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

GRADSTEP_VECTORISED void logarithms(float* y, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = scalar::log(x[i]);
}

// loss = log sum − (x[label] − max)
void sparse_losses(float* loss, const float* x, const int32_t* labels, int64_t rows, int64_t classes,
                   const RowScales& scales) {
  logarithms(loss, scales.sum, rows);
  for (int64_t r = 0; r < rows; r++) {
    const int32_t label = labels[r];
    loss[r] = label >= 0 && label < classes ? loss[r] - (x[r * classes + label] - scales.max[r]) : 0.f;
  }
}

GRADSTEP_VECTORISED double dense_loss(const float* x, const float* t, int64_t classes, float max, float log_sum) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t c = 0; c < classes; c++) {
    total += t[c] != 0.f ? static_cast<double>(t[c]) * (log_sum - (x[c] - max)) : 0.;
  }
  return total;
}

// A block of rows of at most kShortRow classes.
GRADSTEP_VECTORISED void dense_block(float* loss, const float* x, const float* t, int64_t rows, int64_t classes,
                                     const float* max) {
  RowBlock in, target;
  float losses[kBlockRows];
  std::memcpy(in.at, x, rows * classes * sizeof(float));
  std::memcpy(target.at, t, rows * classes * sizeof(float));
  fold_rows<OctetSum>(losses, rows, classes, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    Octet share;
    load_octet(v, in.at + r * classes + i);
    load_octet(share, target.at + r * classes + i);
    v = share != 0.f ? share * (loss[r] - (v - max[r])) : Octet{};
  });
  std::memcpy(loss, losses, rows * sizeof(float));
}

void dense_losses(float* loss, const float* x, const float* t, int64_t rows, int64_t classes, const RowScales& scales) {
  logarithms(loss, scales.sum, rows);
  const int64_t block = classes <= kShortRow ? rows_of_block(classes) : 1;
  for (int64_t r = 0; r < rows; r += block) {
    const int64_t at = r * classes;
    if (block > 1) dense_block(loss + r, x + at, t + at, std::min(block, rows - r), classes, scales.max + r);
    if (block == 1) loss[r] = static_cast<float>(dense_loss(x + at, t + at, classes, scales.max[r], loss[r]));
  }
}

GRADSTEP_VECTORISED void difference(float* dx, const float* p, const float* t, float mass, float g, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = (p[i] * mass - t[i]) * g;
}

GRADSTEP_VECTORISED void scaled(float* dx, const float* p, float g, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = p[i] * g;
}

// dx = (p Σ t − t) g of `rows` rows; dx may be p.
void sparse_gradients(float* dx, const float* p, const int32_t* labels, const float* g, int64_t rows, int64_t classes) {
  for (int64_t r = 0; r < rows; r++) {
    const int64_t at = r * classes;
    const int32_t label = labels[r];
    const bool valid = label >= 0 && label < classes;
    scaled(dx + at, p + at, valid ? g[r] : 0.f, classes);
    if (valid) dx[at + label] -= g[r];
  }
}

void dense_gradients(float* dx, const float* p, const float* t, const float* g, int64_t rows, int64_t classes) {
  for (int64_t r = 0; r < rows; r++) {
    const int64_t at = r * classes;
    difference(dx + at, p + at, t + at, static_cast<float>(sum(t + at, classes)), g[r], classes);
  }
}

// Rows of a block: as many as have 32 KiB of logits.
int64_t block_rows(int64_t classes) {
  constexpr int64_t kBlock = 8192;
  return std::clamp<int64_t>(kBlock / classes, 1, kSoftmaxRows);
}

}  // namespace

Step softmax_cross_entropy(Prepare& prepare, const SoftmaxCrossEntropyArgs& args) {
  const int64_t rows = args.x.dims[0], classes = args.x.dims[1], block = block_rows(classes);
  const int parts = parts_of(rows * classes, prepare.threads(), kGrain / 8);
  const bool sparse = args.labels.dtype == DType::kInt32;
  float* const p = prepare.at(args.probabilities);
  const Stored dx = stored(prepare, args.dx);
  const bool aside = dx.narrow() || (p == nullptr && !dx);
  const size_t aside_bytes = aside ? static_cast<size_t>(parts * block * classes) * sizeof(float) : 0;
  float* const workspace = static_cast<float*>(prepare.workspace(aside_bytes));
  return [=, x = prepare.at(args.x), loss = prepare.at(args.loss), g = prepare.at(args.dloss),
          classes_of = prepare.at<int32_t>(args.labels), t = prepare.at(args.labels),
          state = prepare.at<int32_t>(args.state), flag = prepare.at<int32_t>(args.flag)] {
    if (sparse) check_labels(classes_of, rows, classes, state, flag);
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      RowScales scales;
      for (int64_t r = begin; r < end; r += block) {
        const int64_t n = std::min(block, end - r), at = r * classes;
        float* const made = aside ? workspace + part * block * classes : dx.as_float32(at);
        float* const shares = p != nullptr ? p + at : made;
        softmax_rows(shares, x + at, n, classes, scales);
        if (sparse) sparse_losses(loss + r, x + at, classes_of + r, n, classes, scales);
        if (!sparse) dense_losses(loss + r, x + at, t + at, n, classes, scales);
        if (!dx) continue;
        if (sparse) sparse_gradients(made, shares, classes_of + r, g + r, n, classes);
        if (!sparse) dense_gradients(made, shares, t + at, g + r, n, classes);
        if (aside) to_bfloat16(dx.as_bfloat16(at), made, n * classes);
      }
    });
  };
}

Step softmax_cross_entropy_dx(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args) {
  const int64_t rows = args.dx.dims[0], classes = args.dx.dims[1];
  const int parts = parts_of(rows * classes, prepare.threads());
  const bool sparse = args.labels.dtype == DType::kInt32;
  const Stored dx = stored(prepare, args.dx);
  // What is rounded is made aside, in blocks.
  const int64_t block = dx.narrow() ? block_rows(classes) : rows;
  const size_t aside_bytes = dx.narrow() ? static_cast<size_t>(parts * block * classes) * sizeof(float) : 0;
  float* const workspace = static_cast<float*>(prepare.workspace(aside_bytes));
  return [=, p = prepare.at(args.probabilities), g = prepare.at(args.dloss),
          classes_of = prepare.at<int32_t>(args.labels), t = prepare.at(args.labels)] {
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r += block) {
        const int64_t n = std::min(block, end - r), at = r * classes;
        float* const made = dx.narrow() ? workspace + part * block * classes : dx.as_float32(at);
        if (sparse) sparse_gradients(made, p + at, classes_of + r, g + r, n, classes);
        if (!sparse) dense_gradients(made, p + at, t + at, g + r, n, classes);
        if (dx.narrow()) to_bfloat16(dx.as_bfloat16(at), made, n * classes);
      }
    });
  };
}

}  // namespace gradstep::cpu
