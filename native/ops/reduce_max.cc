// reduceMax on the CPU. Columns (inner > 1) keep a leader each while rows pass by. Of a row (inner 1) the leader's
// value is found first, then the first place that holds it; short rows, and rows with a NaN, are walked one by one.
#include "generated/args/reduce_max.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "ops/reduce_max.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kStride = 64;     // elements looked at together
constexpr int64_t kColumns = 1024;  // columns a thread works on at a time

// Row `place` against the leaders so far.
template <bool kMin>
inline __attribute__((always_inline)) void challenge(float* __restrict best, int32_t* __restrict at,
                                                     const float* __restrict x, int32_t place, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const bool lead = leads<kMin>(x[i], best[i]);
    best[i] = lead ? x[i] : best[i];
    at[i] = lead ? place : at[i];
  }
}

template <bool kMin>
inline __attribute__((always_inline)) void columns_of(float* y, int32_t* at, const float* x, int64_t length,
                                                      int64_t inner, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    y[i] = x[i];
    at[i] = 0;
  }
  for (int64_t l = 1; l < length; l++) challenge<kMin>(y, at, x + l * inner, static_cast<int32_t>(l), n);
}

// The value that leads n elements, none of them NaN.
template <bool kMin>
inline __attribute__((always_inline)) float leader(const float* x, int64_t n) {
  float best = x[0];
  if constexpr (kMin) {
#pragma omp simd reduction(min : best)
    for (int64_t i = 0; i < n; i++) best = x[i] < best ? x[i] : best;
  } else {
#pragma omp simd reduction(max : best)
    for (int64_t i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
  }
  return best;
}

inline __attribute__((always_inline)) bool has_nan(const float* x, int64_t n) {
  int32_t found = 0;
#pragma omp simd reduction(| : found)
  for (int64_t i = 0; i < n; i++) found |= x[i] != x[i];
  return found != 0;
}

// The first place that holds `value`, which is there.
inline __attribute__((always_inline)) int32_t place_of(const float* x, int64_t n, float value) {
  int64_t i = 0;
  for (; i + kStride <= n; i += kStride) {
    int32_t found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t j = 0; j < kStride; j++) found |= x[i + j] == value;
    if (found) break;
  }
  while (x[i] != value) i++;
  return static_cast<int32_t>(i);
}

template <bool kMin>
inline __attribute__((always_inline)) void rows_of(float* y, int32_t* at, const float* x, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++, x += n) {
    if (n < kStride || has_nan(x, n)) {
      float best = x[0];
      int32_t place = 0;
      for (int32_t i = 1; i < n; i++) {
        const bool lead = leads<kMin>(x[i], best);
        best = lead ? x[i] : best;
        place = lead ? i : place;
      }
      y[r] = best;
      at[r] = place;
    } else {
      y[r] = leader<kMin>(x, n);
      at[r] = place_of(x, n, y[r]);
    }
  }
}

GRADSTEP_VECTORISED void max_columns(float* y, int32_t* at, const float* x, int64_t length, int64_t inner, int64_t n) {
  columns_of<false>(y, at, x, length, inner, n);
}
GRADSTEP_VECTORISED void min_columns(float* y, int32_t* at, const float* x, int64_t length, int64_t inner, int64_t n) {
  columns_of<true>(y, at, x, length, inner, n);
}
GRADSTEP_VECTORISED void max_rows(float* y, int32_t* at, const float* x, int64_t rows, int64_t n) {
  rows_of<false>(y, at, x, rows, n);
}
GRADSTEP_VECTORISED void min_rows(float* y, int32_t* at, const float* x, int64_t rows, int64_t n) {
  rows_of<true>(y, at, x, rows, n);
}

GRADSTEP_VECTORISED void spread(float* __restrict dx, const float* __restrict dy, const int32_t* __restrict at,
                                int32_t place, int64_t n) {
  for (int64_t i = 0; i < n; i++) dx[i] = at[i] == place ? dy[i] : 0.f;
}

GRADSTEP_VECTORISED void add_spread(float* __restrict dx, const float* __restrict dy, const int32_t* __restrict at,
                                    int32_t place, int64_t n) {
  for (int64_t i = 0; i < n; i++) dx[i] += at[i] == place ? dy[i] : 0.f;
}

}  // namespace

Step reduce_max(Prepare& prepare, const ReduceMaxArgs& args) {
  const int64_t outer = args.x.dims[0], length = args.x.dims[1], inner = args.x.dims[2];
  const int parts = parts_of(args.x.size(), prepare.threads());
  const bool min = args.mode == ReduceMaxArgs::kModeMin;
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  int32_t* at = prepare.at<int32_t>(args.at);
  if (inner == 1) {
    return [=] {
      parallel_ranges(outer, parts, 1, [&](int, int64_t begin, int64_t end) {
        (min ? min_rows : max_rows)(y + begin, at + begin, x + begin * length, end - begin, length);
      });
    };
  }
  // Wide blocks read memory in long pieces; narrower ones where there would be fewer than threads.
  const int64_t share = outer >= parts ? inner : (inner * outer / parts + 15) / 16 * 16;
  const int64_t width = std::clamp<int64_t>(share, 16, kColumns);
  const int64_t blocks = (inner + width - 1) / width;
  return [=] {
    parallel_ranges(outer * blocks, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) {
        const int64_t o = b / blocks, i = b % blocks * width;
        (min ? min_columns : max_columns)(y + o * inner + i, at + o * inner + i, x + o * length * inner + i, length,
                                          inner, std::min(width, inner - i));
      }
    });
  };
}

Step reduce_max_dx(Prepare& prepare, const ReduceMaxDxArgs& args) {
  const int64_t outer = args.dx.dims[0], length = args.dx.dims[1], inner = args.dx.dims[2];
  const int parts = parts_of(args.dx.size(), prepare.threads());
  const bool accumulate = args.accumulate_dx != 0;
  const float* dy = prepare.at(args.dy);
  const int32_t* at = prepare.at<int32_t>(args.at);
  float* dx = prepare.at(args.dx);
  if (inner == 1) {
    return [=] {
      parallel_ranges(outer, parts, 1, [&](int, int64_t begin, int64_t end) {
        if (!accumulate) fill(dx + begin * length, 0.f, (end - begin) * length);
        for (int64_t o = begin; o < end; o++) dx[o * length + at[o]] += dy[o];
      });
    };
  }
  return [=] {
    parallel_ranges(outer * length, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const int64_t o = r / length * inner;
        (accumulate ? add_spread : spread)(dx + r * inner, dy + o, at + o, static_cast<int32_t>(r % length), inner);
      }
    });
  };
}

}  // namespace gradstep::cpu
