// See direct_conv.h. Where there is padding, x is first copied into a frame of zeros (a small part of y), so that every
// window lies inside; where operands are rounded, x is as it is copied, the kernel beforehand, dy as it is read. What
// is stored in bfloat16 is widened instead.
#include "cpu/direct_conv.h"

#include <algorithm>

#include "cpu/bfloat16.h"
#include "cpu/micro_product.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kMaxTaps = 256;
constexpr int64_t kFrameUnit = 16;  // floats

struct Plan {
  explicit Plan(const DirectConv& c)
      : frame_h((c.out_h - 1) * c.stride_h + c.kernel_h),
        frame_w((c.out_w - 1) * c.stride_w + c.kernel_w),
        framed(c.round || c.pad_top > 0 || c.pad_left > 0 || frame_h > c.h || frame_w > c.w),
        row(c.channels * (framed ? frame_w : c.w)),
        image(row * (framed ? frame_h : c.h)),
        taps(c.kernel_h * c.kernel_w * c.channels),
        frame_floats(framed ? (c.n * image + kFrameUnit - 1) / kFrameUnit * kFrameUnit : 0),
        kernel_floats(c.round ? taps * c.filters : 0) {}
  int64_t frame_h, frame_w;
  bool framed;
  int64_t row, image;  // floats of x as the kernels read it
  int64_t taps, frame_floats, kernel_floats;
};

void fill_row(const DirectConv& c, float* to, const float* from, int64_t n) {
  if (c.round) {
    round_to_bfloat16(to, from, n);
  } else {
    memcpy(to, from, n * sizeof(float));
  }
}

void fill_row(const DirectConv&, float* to, const uint16_t* from, int64_t n) { from_bfloat16(to, from, n); }

// One image into its frame.
template <typename X>
void frame_image(const DirectConv& c, const Plan& p, const X* x, float* to) {
  memset(to, 0, p.image * sizeof(float));
  const int64_t rows = std::min(c.h, p.frame_h - c.pad_top), columns = std::min(c.w, p.frame_w - c.pad_left);
  for (int64_t y = 0; y < rows; y++) {
    float* row = to + (y + c.pad_top) * p.row + c.pad_left * c.channels;
    fill_row(c, row, x + y * c.w * c.channels, columns * c.channels);
  }
}

const float* framed(const DirectConv& c, const Plan& p, Stored x, float* frame, int threads) {
  if (!p.framed) return static_cast<const float*>(x.at);
  typed(x, [&](auto* from) {
    parallel_ranges(c.n, parts_of(c.n * p.image, threads), 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) frame_image(c, p, from + i * c.h * c.w * c.channels, frame + i * p.image);
    });
  });
  return frame;
}

// kPixels neighbouring results of kVectors vectors of filters.
template <typename V, int kPixels, int kVectors, typename Y>
GRADSTEP_INLINE void pixels(const DirectConv& c, const Plan& p, const float* x, const float* w, const float* bias,
                            bool relu, Y* y) {
  V sums[kPixels][kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; v++) {
    const V first = bias ? load_lanes<V>(bias + v * kWidth<V>) : V{};
#pragma GCC unroll 12
    for (int i = 0; i < kPixels; i++) sums[i][v] = first;
  }
  const int64_t step = c.stride_w * c.channels, length = c.kernel_w * c.channels;
  for (int64_t r = 0; r < c.kernel_h; r++) {
    const float* from = x + r * p.row;
    for (int64_t k = 0; k < length; k++, w += c.filters) {
      V columns[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) columns[v] = load_lanes<V>(w + v * kWidth<V>);
#pragma GCC unroll 12
      for (int i = 0; i < kPixels; i++) {
        const float factor = from[i * step + k];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) sums[i][v] += factor * columns[v];
      }
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kPixels; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      const V sum = sums[i][v];
      store_lanes(y + i * c.filters + v * kWidth<V>, relu ? (sum < V{} ? V{} : sum) : sum);
    }
  }
}

template <typename V, int kVectors, typename Y>
GRADSTEP_INLINE void row_of_pixels(const DirectConv& c, const Plan& p, const float* x, const float* w,
                                   const float* bias, bool relu, Y* y) {
  constexpr int kPixels = rows_beside<V>(kVectors);
  const int64_t step = c.stride_w * c.channels;
  int64_t at = 0;
  for (; at + kPixels <= c.out_w; at += kPixels) {
    pixels<V, kPixels, kVectors>(c, p, x + at * step, w, bias, relu, y + at * c.filters);
  }
  for (; at + 4 <= c.out_w; at += 4) pixels<V, 4, kVectors>(c, p, x + at * step, w, bias, relu, y + at * c.filters);
  for (; at + 2 <= c.out_w; at += 2) pixels<V, 2, kVectors>(c, p, x + at * step, w, bias, relu, y + at * c.filters);
  for (; at < c.out_w; at++) pixels<V, 1, kVectors>(c, p, x + at * step, w, bias, relu, y + at * c.filters);
}

// Vectors of filters from `column` on that are worked on together.
template <typename V>
int vectors_at(const DirectConv& c, int64_t column, int most) {
  return static_cast<int>(std::min<int64_t>(most, (c.filters - column) / kWidth<V>));
}

// Rows of y begin … end - 1, counted through all images.
template <typename V, typename Y>
GRADSTEP_INLINE void forward_rows(LaneTag<V>, const DirectConv& c, const Plan& p, const float* x, const float* w,
                                  const float* bias, bool relu, Y* y, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const float* from = x + at / c.out_h * p.image + at % c.out_h * c.stride_h * p.row;
    Y* const to = y + at * c.out_w * c.filters;
    for (int64_t column = 0; column < c.filters;) {
      const int vectors = vectors_at<V>(c, column, kMostVectors<V>);
      const float* b = bias ? bias + column : nullptr;
      if (vectors == 1) row_of_pixels<V, 1>(c, p, from, w + column, b, relu, to + column);
      if (vectors == 2) row_of_pixels<V, 2>(c, p, from, w + column, b, relu, to + column);
      if constexpr (kMostVectors<V> == 4) {
        if (vectors == 3) row_of_pixels<V, 3>(c, p, from, w + column, b, relu, to + column);
        if (vectors == 4) row_of_pixels<V, 4>(c, p, from, w + column, b, relu, to + column);
      }
      column += vectors * kWidth<V>;
    }
  }
}

// sums[tap][filters] += what a row of dy gives to kTaps taps; each tap's x begins at x[tap].
template <typename V, int kTaps, int kVectors, bool kRound, typename Y>
GRADSTEP_INLINE void tap_gradients(const float* const* x, int64_t step, const Y* dy, int64_t filters, int64_t pixels,
                                   float* sums) {
  V kept[kTaps][kVectors];
  const float* from[kTaps];
#pragma GCC unroll 12
  for (int t = 0; t < kTaps; t++) {
    from[t] = x[t];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) kept[t][v] = load_lanes<V>(sums + t * filters + v * kWidth<V>);
  }
  for (int64_t i = 0; i < pixels; i++, dy += filters) {
    V gradient[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) gradient[v] = load_operand<V, kRound>(dy + v * kWidth<V>);
#pragma GCC unroll 12
    for (int t = 0; t < kTaps; t++) {
      const float factor = from[t][i * step];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) kept[t][v] += factor * gradient[v];
    }
  }
#pragma GCC unroll 12
  for (int t = 0; t < kTaps; t++) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v++) store_lanes(sums + t * filters + v * kWidth<V>, kept[t][v]);
  }
}

template <typename V, int kVectors, bool kRound, typename Y>
GRADSTEP_INLINE void row_gradients(const DirectConv& c, int64_t taps, const float* const* x, const Y* dy, float* sums) {
  constexpr int kTaps = kWidth<V> == kLanes || kVectors == 1 ? 9 : 6;
  const int64_t step = c.stride_w * c.channels;
  int64_t t = 0;
  for (; t + kTaps <= taps; t += kTaps) {
    tap_gradients<V, kTaps, kVectors, kRound>(x + t, step, dy, c.filters, c.out_w, sums + t * c.filters);
  }
  for (; t + 3 <= taps; t += 3) {
    tap_gradients<V, 3, kVectors, kRound>(x + t, step, dy, c.filters, c.out_w, sums + t * c.filters);
  }
  for (; t < taps; t++) {
    tap_gradients<V, 1, kVectors, kRound>(x + t, step, dy, c.filters, c.out_w, sums + t * c.filters);
  }
}

// sums [taps][filters] (and behind them those of dy itself) of rows begin … end - 1.
template <bool kRound, typename V, typename Y>
GRADSTEP_INLINE void gradient_rows(LaneTag<V>, const DirectConv& c, const Plan& p, const float* x, const Y* dy,
                                   float* sums, bool with_bias, int64_t begin, int64_t end) {
  memset(sums, 0, (p.taps + with_bias) * c.filters * sizeof(float));
  const int64_t length = c.kernel_w * c.channels;
  for (int64_t at = begin; at < end; at++) {
    const float* from = x + at / c.out_h * p.image + at % c.out_h * c.stride_h * p.row;
    const Y* gradient = dy + at * c.out_w * c.filters;
    const float* places[kMaxTaps];
    for (int64_t t = 0; t < p.taps; t++) places[t] = from + t / length * p.row + t % length;
    for (int64_t column = 0; column < c.filters;) {
      const int vectors = vectors_at<V>(c, column, 2);
      if (vectors == 2) {
        row_gradients<V, 2, kRound>(c, p.taps, places, gradient + column, sums + column);
      } else {
        row_gradients<V, 1, kRound>(c, p.taps, places, gradient + column, sums + column);
      }
      column += vectors * kWidth<V>;
    }
    if (!with_bias) continue;
    float* const total = sums + p.taps * c.filters;
    for (int64_t column = 0; column < c.filters; column += kWidth<V>) {
      V sum = load_lanes<V>(total + column);
      for (int64_t i = 0; i < c.out_w; i++) sum += load_lanes<V>(gradient + i * c.filters + column);
      store_lanes(total + column, sum);
    }
  }
}

}  // namespace

bool direct_conv_pays(const DirectConv& c) {
  const int64_t taps = c.kernel_h * c.kernel_w * c.channels;
  const bool shallow = c.channels <= 4, skips = c.kernel_h * c.kernel_w == 1 && c.stride_h * c.stride_w > 1;
  const int64_t lanes = register_lanes();
  return lanes > 0 && (shallow || (skips && c.channels <= (lanes == kLanes ? 64 : 16) && !c.round)) &&
         taps <= kMaxTaps && c.filters % lanes == 0 && c.pad_top >= 0 && c.pad_left >= 0;
}

size_t direct_conv_bytes(const DirectConv& c, int threads) {
  const Plan p(c);
  return (p.frame_floats + p.kernel_floats + threads * (p.taps + 1) * c.filters) * sizeof(float);
}

void direct_conv_forward(const DirectConv& c, Stored x, Stored w, const float* bias, bool relu, Stored y,
                         void* workspace, int threads) {
  const Plan p(c);
  const float* from = framed(c, p, x, static_cast<float*>(workspace), threads);
  const int64_t rows = c.n * c.out_h;
  const float* kernel = static_cast<const float*>(w.at);
  if (c.round) {
    float* const to = static_cast<float*>(workspace) + p.frame_floats;
    typed(w, [&](auto* weights) { fill_row(c, to, weights, p.kernel_floats); });
    kernel = to;
  }
  typed(y, [&](auto* to) {
    parallel_ranges(rows, parts_of(rows * c.out_w * c.filters, threads), 1, [&](int, int64_t begin, int64_t end) {
      in_lanes([&](auto lanes) __attribute__((always_inline)) {
        forward_rows(lanes, c, p, from, kernel, bias, relu, to, begin, end);
      });
    });
  });
}

void direct_conv_kernel_gradient(const DirectConv& c, Stored x, Stored dy, float* dw, float* db, bool accumulate,
                                 void* workspace, int threads) {
  const Plan p(c);
  const float* from = framed(c, p, x, static_cast<float*>(workspace), threads);
  float* const sums = static_cast<float*>(workspace) + p.frame_floats;
  const int64_t rows = c.n * c.out_h, size = p.taps * c.filters, part_size = size + c.filters;
  const int parts = parts_of(rows * c.out_w * c.filters, threads);
  as_operand(dy, c.round, [&](auto round, auto* gradients) {
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      in_lanes([&](auto lanes) __attribute__((always_inline)) {
        gradient_rows<round>(lanes, c, p, from, gradients, sums + part * part_size, db != nullptr, begin, end);
      });
    });
  });
  const auto total = [&](int64_t i) {
    float sum = sums[i];
    for (int part = 1; part < parts; part++) sum += sums[part * part_size + i];
    return sum;
  };
  for (int64_t i = 0; i < size; i++) dw[i] = total(i) + (accumulate ? dw[i] : 0.f);
  if (!db) return;
  for (int64_t i = 0; i < c.filters; i++) db[i] = total(size + i);
}

}  // namespace gradstep::cpu
