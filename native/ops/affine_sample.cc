// affineSample and its gradient on the CPU, NHWC. Places and shares are found for a run of pixels at a time,
// vectorised; then each pixel's channels are blended. The gradient hands dy back tap by tap, one image a thread, so its
// order is fixed.
#include "ops/affine_sample.h"

#include <cstring>

#include "core/error.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "generated/args/affine_sample.h"

namespace gradstep::cpu {
namespace {

constexpr int kRun = 64;

struct Sampling {
  const float* transform;  // [N, 6]
  int32_t rows, columns;   // of the source
  int64_t out_rows, out_columns, channels;
  FillMode fill;
  bool bilinear;
  float fill_value;

  int64_t source_image() const { return int64_t{rows} * columns * channels; }
  int64_t out_row() const { return out_columns * channels; }
};

// Of a run of result pixels: first elements of the (up to) four source pixels, their shares, and the fill value's.
struct Run {
  int32_t at[4][kRun];
  float share[4][kRun];
  float outside[kRun];
};

constexpr int whole_lanes(int n) { return (n + 15) & ~15; }

template <FillMode kFill, bool kBilinear>
inline __attribute__((always_inline)) void find(const Sampling& s, const float* t, float p, float q, int n, Run& run) {
  const float rows = static_cast<float>(s.rows), columns = static_cast<float>(s.columns);
  const int32_t channels = static_cast<int32_t>(s.channels), row = s.columns * channels;
  const int whole = whole_lanes(n);  // there is room, and no remainder to take one by one
#pragma GCC ivdep
  for (int i = 0; i < whole; i++) {
    const float column = q + static_cast<float>(i);
    const AxisTaps x = axis_taps(source_place(t, column, p), columns, kFill, kBilinear);
    const AxisTaps y = axis_taps(source_place(t + 3, column, p), rows, kFill, kBilinear);
    run.at[0][i] = y.low * row + x.low * channels;
    run.share[0][i] = y.low_share * x.low_share;
    if (kBilinear) {
      run.at[1][i] = y.low * row + x.high * channels;
      run.at[2][i] = y.high * row + x.low * channels;
      run.at[3][i] = y.high * row + x.high * channels;
      run.share[1][i] = y.low_share * x.high_share;
      run.share[2][i] = y.high_share * x.low_share;
      run.share[3][i] = y.high_share * x.high_share;
    }
    run.outside[i] = 1.f - (y.low_share + y.high_share) * (x.low_share + x.high_share);
  }
}

GRADSTEP_VECTORISED void find_run(const Sampling& s, const float* t, float p, float q, int n, Run& run) {
  if (s.bilinear) {
    if (s.fill == kFillConstant) find<kFillConstant, true>(s, t, p, q, n, run);
    if (s.fill == kFillNearest) find<kFillNearest, true>(s, t, p, q, n, run);
    if (s.fill == kFillReflect) find<kFillReflect, true>(s, t, p, q, n, run);
    if (s.fill == kFillWrap) find<kFillWrap, true>(s, t, p, q, n, run);
  } else {
    if (s.fill == kFillConstant) find<kFillConstant, false>(s, t, p, q, n, run);
    if (s.fill == kFillNearest) find<kFillNearest, false>(s, t, p, q, n, run);
    if (s.fill == kFillReflect) find<kFillReflect, false>(s, t, p, q, n, run);
    if (s.fill == kFillWrap) find<kFillWrap, false>(s, t, p, q, n, run);
  }
}

// kChannels: 3, known when compiled, or 0.
template <int kChannels>
inline __attribute__((always_inline)) void blend(const Sampling& s, const float* __restrict x, float* __restrict y,
                                                 int n, const Run& run) {
  const int64_t channels = kChannels > 0 ? kChannels : s.channels;
  for (int i = 0; i < n; i++) {
    const float *a = x + run.at[0][i], *b = x + run.at[1][i], *c = x + run.at[2][i], *d = x + run.at[3][i];
    const float base = s.fill == kFillConstant ? run.outside[i] * s.fill_value : 0.f;
    for (int64_t k = 0; k < channels; k++) {
      y[i * channels + k] =
          base + run.share[0][i] * a[k] + run.share[1][i] * b[k] + run.share[2][i] * c[k] + run.share[3][i] * d[k];
    }
  }
}

// Images of one channel: a tap of sixteen pixels at a time.
inline __attribute__((always_inline)) void blend_grey(const Sampling& s, const float* __restrict x, float* __restrict y,
                                                      int n, const Run& run) {
  float blended[kRun];
  const int whole = whole_lanes(n);
  const float fill = s.fill == kFillConstant ? s.fill_value : 0.f;
#pragma GCC ivdep
  for (int i = 0; i < whole; i++) {
    blended[i] = run.outside[i] * fill + run.share[0][i] * x[run.at[0][i]] + run.share[1][i] * x[run.at[1][i]] +
                 run.share[2][i] * x[run.at[2][i]] + run.share[3][i] * x[run.at[3][i]];
  }
  std::memcpy(y, blended, n * sizeof(float));
}

GRADSTEP_VECTORISED void blend_run(const Sampling& s, const float* x, float* y, int n, const Run& run) {
  if (s.channels == 1)
    blend_grey(s, x, y, n, run);
  else if (s.channels == 3)
    blend<3>(s, x, y, n, run);
  else
    blend<0>(s, x, y, n, run);
}

GRADSTEP_VECTORISED void copy_run(const Sampling& s, const float* __restrict x, float* __restrict y, int n,
                                  const Run& run) {
  if (s.channels == 1) {
    float copied[kRun];
    const int whole = whole_lanes(n);
    const float fill = s.fill_value;
#pragma GCC ivdep
    for (int i = 0; i < whole; i++) copied[i] = run.share[0][i] != 0.f ? x[run.at[0][i]] : fill;
    std::memcpy(y, copied, n * sizeof(float));
    return;
  }
  for (int i = 0; i < n; i++) {
    const float* from = x + run.at[0][i];
    const bool inside = run.share[0][i] != 0.f;
    for (int64_t k = 0; k < s.channels; k++) y[i * s.channels + k] = inside ? from[k] : s.fill_value;
  }
}

// Rows of y [N, P, Q, C], numbered [begin, end).
void sample_rows(const Sampling& s, const float* x, float* y, int64_t begin, int64_t end) {
  Run run;
  for (int64_t at = begin; at < end; at++) {
    const int64_t n = at / s.out_rows;
    const float* image = x + n * s.source_image();
    for (int64_t q = 0; q < s.out_columns; q += kRun) {
      const int length = static_cast<int>(std::min<int64_t>(kRun, s.out_columns - q));
      find_run(s, s.transform + n * 6, static_cast<float>(at % s.out_rows), static_cast<float>(q), length, run);
      float* to = y + at * s.out_row() + q * s.channels;
      if (s.bilinear) blend_run(s, image, to, length, run);
      if (!s.bilinear) copy_run(s, image, to, length, run);
    }
  }
}

GRADSTEP_VECTORISED void hand_back(const Sampling& s, float* dx, const float* dy, int n, const Run& run) {
  const int taps = s.bilinear ? 4 : 1;
  for (int i = 0; i < n; i++) {
    for (int tap = 0; tap < taps; tap++) {
      const float share = run.share[tap][i];
      float* to = dx + run.at[tap][i];
      for (int64_t k = 0; k < s.channels; k++) to[k] += share * dy[i * s.channels + k];
    }
  }
}

// Whole images of dx [N, H, W, C], numbered [begin, end).
void return_images(const Sampling& s, const float* dy, float* dx, int64_t begin, int64_t end) {
  Run run;
  for (int64_t n = begin; n < end; n++) {
    float* image = dx + n * s.source_image();
    fill(image, 0.f, s.source_image());
    for (int64_t p = 0; p < s.out_rows; p++) {
      for (int64_t q = 0; q < s.out_columns; q += kRun) {
        const int length = static_cast<int>(std::min<int64_t>(kRun, s.out_columns - q));
        find_run(s, s.transform + n * 6, static_cast<float>(p), static_cast<float>(q), length, run);
        hand_back(s, image, dy + (n * s.out_rows + p) * s.out_row() + q * s.channels, length, run);
      }
    }
  }
}

Sampling sampling(const Prepare& prepare, const Tensor& transform, const Tensor& source, const Tensor& result,
                  int32_t fill, bool bilinear, float fill_value) {
  if (int64_t{source.dims[1]} * source.dims[2] * source.dims[3] >= int64_t{1} << 31) {
    throw Error("ERR_SHAPE", "affineSample handles images of fewer than 2^31 elements");
  }
  return {prepare.at(transform),       source.dims[1], source.dims[2], result.dims[1], result.dims[2], source.dims[3],
          static_cast<FillMode>(fill), bilinear,       fill_value};
}

}  // namespace

Step affine_sample(Prepare& prepare, const AffineSampleArgs& args) {
  const Sampling s = sampling(prepare, args.transform, args.x, args.y, args.fill_mode,
                              args.interpolation == AffineSampleArgs::kInterpolationBilinear, args.fill_value);
  const int parts = parts_of(args.y.size(), prepare.threads());
  const int64_t rows = args.y.dims[0] * s.out_rows;
  return [s, parts, rows, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) { sample_rows(s, x, y, begin, end); });
  };
}

Step affine_sample_dx(Prepare& prepare, const AffineSampleDxArgs& args) {
  const Sampling s = sampling(prepare, args.transform, args.dx, args.dy, args.fill_mode,
                              args.interpolation == AffineSampleDxArgs::kInterpolationBilinear, 0.f);
  const int parts = parts_of(args.dy.size(), prepare.threads());
  const int64_t images = args.dx.dims[0];
  return [s, parts, images, dy = prepare.at(args.dy), dx = prepare.at(args.dx)] {
    parallel_ranges(images, parts, 1, [&](int, int64_t begin, int64_t end) { return_images(s, dy, dx, begin, end); });
  };
}

}  // namespace gradstep::cpu
