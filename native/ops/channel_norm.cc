// channel_norm on the CPU: one pass that gathers each channel's mean and squared deviation, one that normalises
// (and adds the residual, and applies relu).
// Deviations are taken from a run's first row, so nothing cancels where the mean is large; runs are merged in float64
// (Chan, Golub & LeVeque 1983). Several samples go side by side, each thread keeping its sample in the caches. What is
// stored in bfloat16 goes through windows (cpu/stored_window.h), in the same order of sums.
#include "ops/channel_norm.h"

#include "cpu/bfloat16.h"
#include "cpu/norm_split.h"
#include "cpu/prepare.h"
#include "cpu/stored_window.h"
#include "generated/args/channel_norm.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRun = 64;  // rows summed in float32

// s1 += sum of (x - pivot), s2 += sum of its squares, over rows.
GRADSTEP_VECTORISED void add_deviations(float* __restrict s1, float* __restrict s2, const float* pivot, const float* x,
                                        int64_t rows, int64_t stride, int64_t n) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float* at = x + r * stride;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      const float a = at[i] - pivot[i], b = at[i + stride] - pivot[i];
      const float c = at[i + 2 * stride] - pivot[i], d = at[i + 3 * stride] - pivot[i];
      s1[i] += (a + b) + (c + d);
      s2[i] += (a * a + b * b) + (c * c + d * d);
    }
  }
  for (; r < rows; r++) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      const float a = x[r * stride + i] - pivot[i];
      s1[i] += a;
      s2[i] += a * a;
    }
  }
}

// Merges a run of `rows` into the moments of the `before` rows before it.
GRADSTEP_VECTORISED void merge_run(double* __restrict mean, double* __restrict m2, double before, double rows,
                                   const float* pivot, const float* s1, const float* s2, int64_t n) {
  const double share = rows / (before + rows), weight = before * share, each = 1 / rows;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const double deviation = s1[i] * each;
    const double gap = pivot[i] + deviation - mean[i];
    mean[i] += gap * share;
    m2[i] += s2[i] - deviation * s1[i] + gap * gap * weight;
  }
}

// Merges moments of `rows` elements into those of `before`.
GRADSTEP_VECTORISED void merge(double* __restrict mean, double* __restrict m2, double before, double rows,
                               const double* other_mean, const double* other_m2, int64_t n) {
  const double share = rows / (before + rows), weight = before * share;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const double gap = other_mean[i] - mean[i];
    mean[i] += gap * share;
    m2[i] += other_m2[i] + gap * gap * weight;
  }
}

// The moments of n <= kColumns columns, of rows from `at` on.
void moments(double* mean, double* m2, const Stored& x, int64_t at, int64_t rows, int64_t stride, int64_t n) {
  alignas(64) float s1[NormSplit::kColumns], s2[NormSplit::kColumns], first[NormSplit::kColumns];
  std::fill_n(mean, n, 0.);
  std::fill_n(m2, n, 0.);
  for (int64_t r = 0; r < rows; r += kRun) {
    const int64_t run = std::min(kRun, rows - r), begin = at + r * stride;
    const float* pivot = x.narrow() ? first : x.as_float32(begin);
    std::fill_n(s1, n, 0.f);
    std::fill_n(s2, n, 0.f);
    if (x.narrow()) {
      Window window;
      from_bfloat16(first, x.as_bfloat16(begin), n);
      for (int64_t k = 0; k < run; k += kWindowRows) {
        const Piece piece{begin + k * stride, std::min(kWindowRows, run - k), n, stride};
        add_deviations(s1, s2, pivot, window.load(x, piece), piece.rows, n, n);
      }
    } else {
      add_deviations(s1, s2, pivot, pivot, run, stride, n);
    }
    merge_run(mean, m2, static_cast<double>(r), static_cast<double>(run), pivot, s1, s2, n);
  }
}

// The moments of a block's channels, over its rows, in a sample that begins at `base`.
void block_moments(double* mean, double* m2, const Stored& x, int64_t base, const NormBlock& b) {
  double wide_mean[NormSplit::kColumns], wide_m2[NormSplit::kColumns];
  int64_t rows = 0;
  std::fill_n(mean, b.channels, 0.);
  std::fill_n(m2, b.channels, 0.);
  if (b.rows > 0) {
    moments(wide_mean, wide_m2, x, base + b.offset, b.rows, b.stride, b.columns);
    for (int64_t i = 0; i < b.columns; i += b.channels, rows += b.rows) {
      merge(mean, m2, static_cast<double>(rows), static_cast<double>(b.rows), wide_mean + i, wide_m2 + i, b.channels);
    }
  }
  if (b.tail > 0) {
    moments(wide_mean, wide_m2, x, base + b.tail_offset, b.tail, b.channels, b.channels);
    merge(mean, m2, static_cast<double>(rows), static_cast<double>(b.tail), wide_mean, wide_m2, b.channels);
  }
}

template <bool kRelu, bool kResidual>
GRADSTEP_VECTORISED void normalise(float* y, const float* x, const float* residual, const float* mean,
                                   const float* scale, const float* shift, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      float v = NormForward{mean[i], scale[i], shift[i]}(x[r * n + i]);
      if constexpr (kResidual) v += residual[r * n + i];
      y[r * n + i] = kRelu ? scalar::relu(v) : v;
    }
  }
}

struct Forward {
  NormShape shape;
  float epsilon;
  bool relu;
  Stored x, residual, y;
  const float *gamma, *beta;  // or null
  float *mean, *variance;

  // Bytes of scratch for one sample: moments of each part, and three coefficients a column.
  static size_t scratch(const NormSplit& split) {
    return (split.row_parts * 2 * split.channels) * sizeof(double) + 3 * split.wide() * sizeof(float);
  }

  void sample(int64_t s, const NormSplit& split, void* memory) const {
    const int64_t channels = shape.channels;
    double* parts = static_cast<double*>(memory);
    float* coefficients = reinterpret_cast<float*>(parts + split.row_parts * 2 * channels);
    const int64_t base = s * shape.rows * channels;
    split.tasks([&](const NormBlock& b) {
      double* to = parts + b.part * 2 * channels + b.column;
      block_moments(to, to + channels, x, base, b);
    });
    int64_t rows = shape.rows / split.row_parts;
    for (int64_t part = 1; part < split.row_parts; part++) {
      const int64_t end = shape.rows * (part + 1) / split.row_parts;
      double* other = parts + part * 2 * channels;
      merge(parts, parts + channels, static_cast<double>(rows), static_cast<double>(end - rows), other,
            other + channels, channels);
      rows = end;
    }
    statistics(s, parts, parts + channels);
    fill(s, split, coefficients);
    const auto run = residual ? (relu ? normalise<true, true> : normalise<false, true>)
                              : (relu ? normalise<true, false> : normalise<false, false>);
    const bool windows = x.narrow() || residual.narrow() || y.narrow();
    split.wide_rows([&](int64_t offset, int64_t wide_rows, int64_t wide) {
      Window read, added, made;
      in_windows(windows, wide_rows, wide, [&](int64_t at, int64_t rows, int64_t n, int64_t column) {
        const Piece piece{base + offset + at, rows, n, n};
        const float* own = coefficients + column;
        run(made.place(y, piece), read.load(x, piece), added.load(residual, piece), own, own + split.wide(),
            own + 2 * split.wide(), rows, n);
        made.store(y, piece);
      });
    });
  }

  // The statistics of a sample's groups from those of its channels.
  void statistics(int64_t s, double* channel_mean, double* channel_m2) const {
    const int64_t each = shape.per_group();
    for (int64_t g = 0; g < shape.groups; g++) {
      double* m = channel_mean + g * each;
      double* m2 = channel_m2 + g * each;
      for (int64_t i = 1; i < each; i++) {
        merge(m, m2, static_cast<double>(i * shape.rows), static_cast<double>(shape.rows), m + i, m2 + i, 1);
      }
      mean[s * shape.groups + g] = static_cast<float>(*m);
      const double v = *m2 / static_cast<double>(shape.count());
      variance[s * shape.groups + g] = static_cast<float>(v < 0 ? 0 : v);
    }
  }

  void fill(int64_t s, const NormSplit& split, float* coefficients) const {
    float *means = coefficients, *scales = means + split.wide(), *shifts = scales + split.wide();
    for (int64_t c = 0; c < shape.channels; c++) {
      const int64_t g = s * shape.groups + c / shape.per_group();
      means[c] = mean[g];
      scales[c] = (gamma ? gamma[c] : 1.f) * norm_rstd(variance[g], epsilon);
      shifts[c] = beta ? beta[c] : 0.f;
    }
    for (float* array : {means, scales, shifts}) split.widen(array);
  }
};

}  // namespace

Step channel_norm(Prepare& prepare, const ChannelNormArgs& args) {
  const bool relu = args.activation == ChannelNormArgs::kActivationRelu;
  const Forward f{NormShape::of(args),
                  args.epsilon,
                  relu,
                  stored(prepare, args.x),
                  stored(prepare, args.residual),
                  stored(prepare, args.y),
                  prepare.at(args.gamma),
                  prepare.at(args.beta),
                  prepare.at(args.mean),
                  prepare.at(args.variance)};
  const int64_t samples = f.shape.samples;
  const int parts = parts_of(args.x.size(), prepare.threads());
  const bool abreast = samples >= parts && samples > 1;
  const NormSplit split(f.shape.rows, f.shape.channels, abreast ? 1 : prepare.threads());
  const size_t each = (Forward::scratch(split) + 63) / 64 * 64;
  char* scratch = static_cast<char*>(prepare.workspace(each * (abreast ? parts : 1)));
  return [=] {
    parallel_ranges(samples, abreast ? parts : 1, 1, [&](int part, int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; s++) f.sample(s, split, scratch + part * each);
    });
  };
}

}  // namespace gradstep::cpu
