// channel_norm_grad on the CPU: one pass that sums dy and dy (x - mean) of each channel, and writes dresidual where
// that is wanted; one that makes dx of them, from dresidual where that has been made, as its mask is applied already.
// Sums run in float32 over kRun rows, then in float64. Several samples go side by side, each thread keeping its sample
// in the caches; the threads' parts of dgamma and dbeta are added up in order. What is stored in bfloat16 goes through
// windows (cpu/stored_window.h), in the same order of sums.
#include "cpu/norm_split.h"
#include "cpu/prepare.h"
#include "cpu/stored_window.h"
#include "generated/args/channel_norm.h"
#include "ops/channel_norm.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRun = 64;

// A column's coefficients, repeated over the split's wide row.
enum Coefficient { kMean, kScale, kShift, kSlope, kOffset, kCoefficients };

// What the loops over rows read besides x: dy, and y where the mask comes from it. `kept` takes dy masked, or is null.
struct Upstream {
  const float *dy, *y;
  float* kept;
};

// dy at `at`, masked.
template <NormMask kMask>
inline float given(const float* dy, const float* y, int64_t at, float x, float mean, float scale, float shift) {
  constexpr bool kReads = kMask == NormMask::kFromY || kMask == NormMask::kFromKept;
  return norm_masked<kMask>(dy[at], x, kReads ? y[at] : 0.f, NormForward{mean, scale, shift});
}

// s1 += sum of dy, s2 += sum of dy (x - mean), over rows.
template <NormMask kMask, bool kKeep>
GRADSTEP_VECTORISED void add_products(float* __restrict s1, float* __restrict s2, const float* x, Upstream upstream,
                                      const float* mean, const float* scale, const float* shift, int64_t rows,
                                      int64_t stride, int64_t n) {
  const float *dy = upstream.dy, *y = upstream.y;
  float* kept = upstream.kept;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      const float m = mean[i], a = scale[i], b = kMask == NormMask::kFromX ? shift[i] : 0.f;
      const int64_t at0 = r * stride + i, at1 = at0 + stride, at2 = at1 + stride, at3 = at2 + stride;
      const float x0 = x[at0], x1 = x[at1], x2 = x[at2], x3 = x[at3];
      const float g0 = given<kMask>(dy, y, at0, x0, m, a, b), g1 = given<kMask>(dy, y, at1, x1, m, a, b);
      const float g2 = given<kMask>(dy, y, at2, x2, m, a, b), g3 = given<kMask>(dy, y, at3, x3, m, a, b);
      s1[i] += (g0 + g1) + (g2 + g3);
      s2[i] += (g0 * (x0 - m) + g1 * (x1 - m)) + (g2 * (x2 - m) + g3 * (x3 - m));
      if constexpr (kKeep) {
        kept[at0] = g0;
        kept[at1] = g1;
        kept[at2] = g2;
        kept[at3] = g3;
      }
    }
  }
  for (; r < rows; r++) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      const int64_t at = r * stride + i;
      const float shifted = kMask == NormMask::kFromX ? shift[i] : 0.f;
      const float g = given<kMask>(dy, y, at, x[at], mean[i], scale[i], shifted);
      s1[i] += g;
      s2[i] += g * (x[at] - mean[i]);
      if constexpr (kKeep) kept[at] = g;
    }
  }
}

template <NormMask kMask>
GRADSTEP_VECTORISED void spread(float* dx, const float* x, Upstream upstream, const float* mean, const float* scale,
                                const float* shift, const float* slope, const float* offset, int64_t rows, int64_t n) {
  const float *dy = upstream.dy, *y = upstream.y;
  for (int64_t r = 0; r < rows; r++) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      const int64_t k = r * n + i;
      const float shifted = kMask == NormMask::kFromX ? shift[i] : 0.f;
      const float g = given<kMask>(dy, y, k, x[k], mean[i], scale[i], shifted);
      dx[k] = scale[i] * g + (slope[i] * (x[k] - mean[i]) + offset[i]);
    }
  }
}

GRADSTEP_VECTORISED void add_wide(double* to, const float* from, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

struct Backward {
  NormShape shape;
  float epsilon;
  NormMask mask;
  Stored x, dy, y, dx, dresidual;               // the last three may be absent
  const float *gamma, *beta, *mean, *variance;  // the first two may be null

  // Bytes of scratch for one sample: the sums of each part, and the coefficients.
  size_t scratch(const NormSplit& split) const {
    return split.row_parts * 2 * shape.channels * sizeof(double) + kCoefficients * split.wide() * sizeof(float);
  }

  // The sums of a block's channels over `rows` rows of n columns, a multiple of the block's channels.
  void sums(double* s1, double* s2, int64_t at, const NormBlock& b, int64_t rows, int64_t stride, int64_t n,
            const NormSplit& split, const float* coefficients) const {
    const auto run = mask == NormMask::kNone    ? add_products<NormMask::kNone, false>
                     : mask == NormMask::kFromX ? add_products<NormMask::kFromX, false>
                     : dresidual                ? add_products<NormMask::kFromY, true>
                                                : add_products<NormMask::kFromY, false>;
    const float* own = coefficients + b.column;
    const float *means = own + kMean * split.wide(), *scales = own + kScale * split.wide();
    const float* shifts = own + kShift * split.wide();
    const bool windows = x.narrow() || dy.narrow() || y.narrow() || dresidual.narrow();
    alignas(64) float run1[NormSplit::kColumns], run2[NormSplit::kColumns];
    for (int64_t r = 0; r < rows; r += kRun) {
      const int64_t end = std::min(rows, r + kRun), from = at + r * stride;
      std::fill_n(run1, n, 0.f);
      std::fill_n(run2, n, 0.f);
      if (windows) {
        Window read, given, masks, kept;
        for (int64_t k = r; k < end; k += kWindowRows) {
          const Piece piece{at + k * stride, std::min(kWindowRows, end - k), n, stride};
          const Upstream upstream{given.load(dy, piece), masks.load(y, piece), kept.place(dresidual, piece)};
          run(run1, run2, read.load(x, piece), upstream, means, scales, shifts, piece.rows, n, n);
          kept.store(dresidual, piece);
        }
      } else {
        const Upstream upstream{dy.as_float32(from), y.as_float32(from), dresidual.as_float32(from)};
        run(run1, run2, x.as_float32(from), upstream, means, scales, shifts, end - r, stride, n);
      }
      for (int64_t i = 0; i < n; i += b.channels) {
        add_wide(s1, run1 + i, b.channels);
        add_wide(s2, run2 + i, b.channels);
      }
    }
  }

  // Adds the sample's share to totals: [dgamma, dbeta][channels].
  void sample(int64_t s, const NormSplit& split, double* totals, char* memory) const {
    const int64_t channels = shape.channels, base = s * shape.rows * channels;
    double* parts = reinterpret_cast<double*>(memory);
    float* coefficients = reinterpret_cast<float*>(parts + split.row_parts * 2 * channels);
    fill_forward(s, split, coefficients);
    split.tasks([&](const NormBlock& b) {
      double* s1 = parts + b.part * 2 * channels + b.column;
      double* s2 = s1 + channels;
      std::fill_n(s1, b.channels, 0.);
      std::fill_n(s2, b.channels, 0.);
      sums(s1, s2, base + b.offset, b, b.rows, b.stride, b.columns, split, coefficients);
      sums(s1, s2, base + b.tail_offset, b, b.tail, channels, b.channels, split, coefficients);
    });
    for (int64_t part = 1; part < split.row_parts; part++) {
      for (int64_t i = 0; i < 2 * channels; i++) parts[i] += parts[part * 2 * channels + i];
    }
    fill_backward(s, split, parts, totals, coefficients);
    if (dx) spread_sample(base, split, coefficients);
  }

  void spread_sample(int64_t base, const NormSplit& split, const float* coefficients) const {
    // dresidual is dy masked, unless that was rounded: then it tells the mask, as y may be overwritten by it.
    const bool done = dresidual && (dy.narrow() || !dresidual.narrow());
    const bool tells = dresidual && !done;
    const Stored upstream = done ? dresidual : dy, masking = tells ? dresidual : done ? Stored() : y;
    const auto run = mask == NormMask::kNone || done ? spread<NormMask::kNone>
                     : mask == NormMask::kFromX      ? spread<NormMask::kFromX>
                     : tells                         ? spread<NormMask::kFromKept>
                                                     : spread<NormMask::kFromY>;
    const bool windows = x.narrow() || upstream.narrow() || masking.narrow() || dx.narrow();
    split.wide_rows([&](int64_t offset, int64_t wide_rows, int64_t wide) {
      Window read, given, masks, made;
      in_windows(windows, wide_rows, wide, [&](int64_t at, int64_t rows, int64_t n, int64_t column) {
        const Piece piece{base + offset + at, rows, n, n};
        const auto own = [&](Coefficient c) { return coefficients + c * split.wide() + column; };
        const Upstream from{given.load(upstream, piece), masks.load(masking, piece), nullptr};
        run(made.place(dx, piece), read.load(x, piece), from, own(kMean), own(kScale), own(kShift), own(kSlope),
            own(kOffset), rows, n);
        made.store(dx, piece);
      });
    });
  }

  void fill_forward(int64_t s, const NormSplit& split, float* coefficients) const {
    for (int64_t c = 0; c < shape.channels; c++) {
      const int64_t g = s * shape.groups + c / shape.per_group();
      coefficients[kMean * split.wide() + c] = mean[g];
      coefficients[kScale * split.wide() + c] = (gamma ? gamma[c] : 1.f) * norm_rstd(variance[g], epsilon);
      coefficients[kShift * split.wide() + c] = beta ? beta[c] : 0.f;
    }
    for (const Coefficient c : {kMean, kScale, kShift}) split.widen(coefficients + c * split.wide());
  }

  void fill_backward(int64_t s, const NormSplit& split, const double* sums, double* totals, float* coefficients) const {
    const int64_t channels = shape.channels, each = shape.per_group();
    const double *s1 = sums, *s2 = sums + channels;
    for (int64_t g = 0; g < shape.groups; g++) {
      const float rstd = norm_rstd(variance[s * shape.groups + g], epsilon);
      double a = 0, b = 0;
      for (int64_t c = g * each; c < (g + 1) * each; c++) {
        const double weight = gamma ? gamma[c] : 1.;
        a += weight * s1[c];
        b += weight * s2[c];
        totals[c] += rstd * s2[c];
        totals[channels + c] += s1[c];
      }
      const NormBackward own(1.f, rstd, static_cast<float>(a), static_cast<float>(b),
                             static_cast<float>(shape.count()));
      for (int64_t c = g * each; c < (g + 1) * each; c++) {
        coefficients[kSlope * split.wide() + c] = own.slope;
        coefficients[kOffset * split.wide() + c] = own.offset;
      }
    }
    for (const Coefficient c : {kSlope, kOffset}) split.widen(coefficients + c * split.wide());
  }
};

}  // namespace

Step channel_norm_grad(Prepare& prepare, const ChannelNormGradArgs& args) {
  const Backward f{NormShape::of(args),      args.epsilon,
                   norm_mask(args),          stored(prepare, args.x),
                   stored(prepare, args.dy), stored(prepare, args.y),
                   stored(prepare, args.dx), stored(prepare, args.dresidual),
                   prepare.at(args.gamma),   prepare.at(args.beta),
                   prepare.at(args.mean),    prepare.at(args.variance)};
  const int64_t samples = f.shape.samples, sums = 2 * f.shape.channels;
  const int most = parts_of(args.x.size(), prepare.threads());
  const bool abreast = samples >= most && samples > 1;
  const int parts = abreast ? most : 1;
  const NormSplit split(f.shape.rows, f.shape.channels, abreast ? 1 : prepare.threads());
  const size_t totals_bytes = parts * sums * sizeof(double);
  const size_t each = (f.scratch(split) + 63) / 64 * 64;
  char* workspace = static_cast<char*>(prepare.workspace(totals_bytes + parts * each));
  double* totals = reinterpret_cast<double*>(workspace);
  return [=, scratch = workspace + totals_bytes, dgamma = prepare.at(args.dgamma), dbeta = prepare.at(args.dbeta)] {
    std::fill_n(totals, parts * sums, 0.);
    parallel_ranges(samples, parts, 1, [&](int part, int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; s++) f.sample(s, split, totals + part * sums, scratch + part * each);
    });
    for (int64_t c = 0; c < sums / 2; c++) {
      double scale = 0, shift = 0;
      for (int part = 0; part < parts; part++) {
        scale += totals[part * sums + c];
        shift += totals[part * sums + sums / 2 + c];
      }
      dgamma[c] = static_cast<float>(scale);
      dbeta[c] = static_cast<float>(shift);
    }
  };
}

}  // namespace gradstep::cpu
