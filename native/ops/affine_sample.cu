// affineSample and its gradient on CUDA, NHWC. A thread makes a pixel's channels. The gradient gathers without atomics:
// for each source pixel, and each position beyond the edge that stands for it, the inverse map gives a small box of
// results that can have read it, and their shares are added up in order.
#include "cuda/prepare.h"
#include "generated/args/affine_sample.h"
#include "ops/affine_sample.h"
#include "ops/image.cuh"

namespace gradstep::cuda {
namespace {

struct Sampling {
  ImageMap map;
  const float* transform;  // [N, 6]
  const float* from;
  float* to;
  int32_t rows, columns;          // of the source
  int32_t out_rows, out_columns;  // of the result
  FillMode fill;
  bool bilinear;
  float fill_value;
};

template <int kWidth>
__global__ void __launch_bounds__(kImageThreads) affine_sample_kernel(Sampling s) {
  const uint32_t flat = s.map.flat_pixel();
  if (flat >= s.map.pixels) return;
  const Pixel at = s.map.pixel(flat);
  const float* t = s.transform + static_cast<int64_t>(at.n) * 6;
  const float p = static_cast<float>(at.row), q = static_cast<float>(at.column);
  const AxisTaps x = axis_taps(source_place(t, q, p), static_cast<float>(s.columns), s.fill, s.bilinear);
  const AxisTaps y = axis_taps(source_place(t + 3, q, p), static_cast<float>(s.rows), s.fill, s.bilinear);
  const int64_t above = (static_cast<int64_t>(at.n) * s.rows + y.low) * s.columns;
  const int64_t below = (static_cast<int64_t>(at.n) * s.rows + y.high) * s.columns;
  const float outside = 1.f - (y.low_share + y.high_share) * (x.low_share + x.high_share);
  const float base = s.fill == kFillConstant ? outside * s.fill_value : 0.f;
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < s.map.units; u += static_cast<int32_t>(blockDim.x)) {
    const auto load = [&](int64_t line, int32_t w) {
      return load_pack<kWidth>(s.from + ((line + w) * s.map.units + u) * kWidth);
    };
    Pack<float, kWidth> sum;
#pragma unroll
    for (int k = 0; k < kWidth; k++) sum.v[k] = base;
    add_pack(sum, y.low_share * x.low_share, load(above, x.low));
    if (s.bilinear) {
      add_pack(sum, y.low_share * x.high_share, load(above, x.high));
      add_pack(sum, y.high_share * x.low_share, load(below, x.low));
      add_pack(sum, y.high_share * x.high_share, load(below, x.high));
    }
    store_pack(s.to + (static_cast<int64_t>(flat) * s.map.units + u) * kWidth, sum);
  }
}

// Intervals of positions, inside and beyond the edge, that stand for one position of an axis.
struct Copies {
  int32_t count, first, step, mirror, length;

  // Begin of interval k; it has `length` positions.
  __device__ int32_t begin(int32_t k) const {
    return mirror == 0 ? first + k * step : first + (k >> 1) * step + ((k & 1) != 0 ? mirror : 0);
  }
};

__device__ inline int32_t floor_divide(int32_t a, int32_t b) { return (a >= 0 ? a : a - b + 1) / b; }

// [low, high]: all positions that a result can read.
__device__ inline Copies copies_of(int32_t h, int32_t size, int32_t low, int32_t high, FillMode fill) {
  if (fill == kFillConstant) return {1, h, 0, 0, 1};
  if (fill == kFillNearest) {
    const int32_t begin = h == 0 && low < 0 ? low : h, last = h == size - 1 && high > h ? high : h;
    return {1, begin, 0, 0, last - begin + 1};
  }
  const int32_t period = fill == kFillWrap ? size : 2 * size;
  const int32_t from = floor_divide(low, period), periods = floor_divide(high, period) - from + 1;
  if (fill == kFillWrap) return {periods, from * period + h, period, 0, 1};
  // h and period - 1 - h may be neighbours or, never, the same: the period is even.
  return {2 * periods, from * period + h, period, period - 1 - 2 * h, 1};
}

// Lowest and highest position along an axis that any result reads.
struct Reach {
  int32_t low, high;
};

__device__ inline Reach reach(const float* t, int32_t out_rows, int32_t out_columns) {
  const float p = static_cast<float>(out_rows - 1), q = static_cast<float>(out_columns - 1);
  const float a = source_place(t, 0.f, 0.f), b = source_place(t, q, 0.f);
  const float c = source_place(t, 0.f, p), d = source_place(t, q, p);
  const float low = fminf(fminf(a, b), fminf(c, d)), high = fmaxf(fmaxf(a, b), fmaxf(c, d));
  return {static_cast<int32_t>(floorf(low)) - 1, static_cast<int32_t>(floorf(high)) + 2};
}

// Whole numbers in [0, size) within `radius` of `centre`, with room for rounding; all of them where that is unknown.
struct Span {
  int32_t begin, end;
  __device__ Span(float centre, float radius, int32_t size) : begin(0), end(size) {
    const float room = radius * 1.001f + 0.01f + fabsf(centre) * 1e-5f;
    const float low = centre - room, high = centre + room;
    if (low > 0.f) begin = low < static_cast<float>(size) ? static_cast<int32_t>(low) : size;
    if (high < static_cast<float>(size)) end = high < 0.f ? 0 : static_cast<int32_t>(high) + 1;
  }
};

// The share of positions [begin, begin + length) in what is read at a place.
__device__ inline float share_of(float place, int32_t begin, int32_t length, bool bilinear) {
  const float low = floorf(bilinear ? place : place + 0.5f);
  const float rest = bilinear ? place - low : 0.f;
  const int32_t after = static_cast<int32_t>(low) - begin;
  return (after >= 0 && after < length ? 1.f - rest : 0.f) + (after >= -1 && after < length - 1 ? rest : 0.f);
}

// Adds what the results that read positions [row, row + high) x [column, column + wide) hand back for one unit.
template <int kWidth>
__device__ inline void gather_box(const Sampling& s, const float* t, int32_t n, int32_t row, int32_t high,
                                  int32_t column, int32_t wide, int32_t u, Pack<float, kWidth>& sum) {
  const float ey = 0.5f * static_cast<float>(high + 1), ex = 0.5f * static_cast<float>(wide + 1);
  const float dy = static_cast<float>(row) - 1.f + ey - t[5], dx = static_cast<float>(column) - 1.f + ex - t[2];
  const float inverse = 1.f / (t[0] * t[4] - t[1] * t[3]);
  const Span ps((t[0] * dy - t[3] * dx) * inverse, (fabsf(t[0]) * ey + fabsf(t[3]) * ex) * fabsf(inverse), s.out_rows);
  const Span qs((t[4] * dx - t[1] * dy) * inverse, (fabsf(t[4]) * ex + fabsf(t[1]) * ey) * fabsf(inverse),
                s.out_columns);
  for (int32_t p = ps.begin; p < ps.end; p++) {
    const int64_t line = (static_cast<int64_t>(n) * s.out_rows + p) * s.out_columns;
    for (int32_t q = qs.begin; q < qs.end; q++) {
      const float fp = static_cast<float>(p), fq = static_cast<float>(q);
      const float share = share_of(source_place(t + 3, fq, fp), row, high, s.bilinear) *
                          share_of(source_place(t, fq, fp), column, wide, s.bilinear);
      if (share != 0.f) add_pack(sum, share, load_pack<kWidth>(s.from + ((line + q) * s.map.units + u) * kWidth));
    }
  }
}

template <int kWidth>
__global__ void __launch_bounds__(kImageThreads) affine_sample_dx_kernel(Sampling s) {
  const uint32_t flat = s.map.flat_pixel();
  if (flat >= s.map.pixels) return;
  const Pixel at = s.map.pixel(flat);
  const float* t = s.transform + static_cast<int64_t>(at.n) * 6;
  const Reach ry = reach(t + 3, s.out_rows, s.out_columns), rx = reach(t, s.out_rows, s.out_columns);
  const Copies rows = copies_of(at.row, s.rows, ry.low, ry.high, s.fill);
  const Copies columns = copies_of(at.column, s.columns, rx.low, rx.high, s.fill);
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < s.map.units; u += static_cast<int32_t>(blockDim.x)) {
    Pack<float, kWidth> sum{};
    for (int32_t i = 0; i < rows.count; i++) {
      for (int32_t j = 0; j < columns.count; j++) {
        gather_box(s, t, at.n, rows.begin(i), rows.length, columns.begin(j), columns.length, u, sum);
      }
    }
    store_pack(s.to + (static_cast<int64_t>(flat) * s.map.units + u) * kWidth, sum);
  }
}

Sampling sampling(const Tensor& source, const Tensor& result, int32_t fill) {
  Sampling s{};
  s.rows = source.dims[1];
  s.columns = source.dims[2];
  s.out_rows = result.dims[1];
  s.out_columns = result.dims[2];
  s.fill = static_cast<FillMode>(fill);
  return s;
}

}  // namespace

Step affine_sample(Prepare& prepare, const AffineSampleArgs& args) {
  Sampling s = sampling(args.x, args.y, args.fill_mode);
  s.map = image_map(args.y);
  s.transform = prepare.at(args.transform);
  s.from = prepare.at(args.x);
  s.to = prepare.at(args.y);
  s.bilinear = args.interpolation == AffineSampleArgs::kInterpolationBilinear;
  s.fill_value = args.fill_value;
  const auto kernel = image_width(args.y) == 4 ? affine_sample_kernel<4> : affine_sample_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, s.map.grid(), s.map.block(), s); };
}

Step affine_sample_dx(Prepare& prepare, const AffineSampleDxArgs& args) {
  Sampling s = sampling(args.dx, args.dy, args.fill_mode);
  s.map = image_map(args.dx);
  s.transform = prepare.at(args.transform);
  s.from = prepare.at(args.dy);
  s.to = prepare.at(args.dx);
  s.bilinear = args.interpolation == AffineSampleDxArgs::kInterpolationBilinear;
  const auto kernel = image_width(args.dx) == 4 ? affine_sample_dx_kernel<4> : affine_sample_dx_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, s.map.grid(), s.map.block(), s); };
}

}  // namespace gradstep::cuda
