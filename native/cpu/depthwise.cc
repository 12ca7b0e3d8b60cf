// See depthwise.h. The kernel gradient takes 16 channels of a row at a time and keeps the sums of up to eight taps of
// the kernel's row in registers. Each thread has sums of its own; they are added in order.
#include "cpu/depthwise.h"

#include <cstring>

#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

constexpr int32_t kLanes = kDepthwiseLanes;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

// kTimes: known when compiled, so that the loops become shuffles of whole vectors; 0: not.
template <int kTimes>
[[gnu::always_inline]] inline void spread_by(float* __restrict to, const float* __restrict from, int64_t n,
                                             int64_t times) {
  const int64_t each = kTimes > 0 ? kTimes : times;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t m = 0; m < each; m++) to[i * each + m] = from[i];
  }
}

GRADSTEP_VECTORISED void spread(float* __restrict to, const float* __restrict from, int64_t n, int64_t times) {
  if (times == 2) return spread_by<2>(to, from, n, times);
  if (times == 4) return spread_by<4>(to, from, n, times);
  spread_by<0>(to, from, n, times);
}

template <int kTimes>
[[gnu::always_inline]] inline void fold_by(float* __restrict to, const float* __restrict from, int64_t n, int64_t times,
                                           bool add) {
  const int64_t each = kTimes > 0 ? kTimes : times;
  for (int64_t i = 0; i < n; i++) {
    float sum = 0.f;
    for (int64_t m = 0; m < each; m++) sum += from[i * each + m];
    to[i] = add ? to[i] + sum : sum;
  }
}

GRADSTEP_VECTORISED void fold(float* __restrict to, const float* __restrict from, int64_t n, int64_t times, bool add) {
  if (times == 2) return fold_by<2>(to, from, n, times, add);
  if (times == 4) return fold_by<4>(to, from, n, times, add);
  fold_by<0>(to, from, n, times, add);
}

// Windows of one row for which a tap at `offset` (from the window's beginning) is inside the row.
struct Inside {
  int32_t begin, end;
};

inline Inside inside(const DepthwiseShape& s, int32_t offset) {
  const int32_t first = s.pad_left - offset, last = s.w - 1 + s.pad_left - offset;
  const int32_t begin = first > 0 ? (first + s.stride_w - 1) / s.stride_w : 0;
  const int32_t end = last < 0 ? 0 : std::min(s.q, last / s.stride_w + 1);
  return {begin, std::max(begin, end)};
}

inline const Lanes& lanes(const float* at) { return *reinterpret_cast<const Lanes*>(at); }

// Adds kTaps neighbouring taps' sums over the windows [begin, end); `x` is where tap 0 of window 0 is.
template <int kTaps>
[[gnu::always_inline]] inline void sum_taps(const DepthwiseShape& s, const float* x, const float* dy, float* sums,
                                            int64_t sums_stride, Inside q) {
  Lanes total[kTaps];
  for (int t = 0; t < kTaps; t++) total[t] = lanes(sums + t * sums_stride);
  const int64_t tap_stride = static_cast<int64_t>(s.dilation_w) * s.c;
  const int64_t window_stride = static_cast<int64_t>(s.stride_w) * s.c;
  for (int32_t at = q.begin; at < q.end; at++) {
    const Lanes slope = lanes(dy + static_cast<int64_t>(at) * s.c);
    const float* from = x + at * window_stride;
    for (int t = 0; t < kTaps; t++) total[t] += slope * lanes(from + t * tap_stride);
  }
  for (int t = 0; t < kTaps; t++) *reinterpret_cast<Lanes*>(sums + t * sums_stride) = total[t];
}

[[gnu::always_inline]] inline void sum_some_taps(int taps, const DepthwiseShape& s, const float* x, const float* dy,
                                                 float* sums, int64_t sums_stride, Inside q) {
  switch (taps) {
    case 1:
      return sum_taps<1>(s, x, dy, sums, sums_stride, q);
    case 2:
      return sum_taps<2>(s, x, dy, sums, sums_stride, q);
    case 3:
      return sum_taps<3>(s, x, dy, sums, sums_stride, q);
    case 4:
      return sum_taps<4>(s, x, dy, sums, sums_stride, q);
    case 5:
      return sum_taps<5>(s, x, dy, sums, sums_stride, q);
    case 6:
      return sum_taps<6>(s, x, dy, sums, sums_stride, q);
    case 7:
      return sum_taps<7>(s, x, dy, sums, sums_stride, q);
    default:
      return sum_taps<8>(s, x, dy, sums, sums_stride, q);
  }
}

int64_t blocks_of(const DepthwiseShape& s) { return (s.c + kLanes - 1) / kLanes; }
int64_t taps_of(const DepthwiseShape& s) { return static_cast<int64_t>(s.kernel_h) * s.kernel_w; }
// The last block's channels end with the tensor's, so it may overlap the one before.
int64_t first_channel(const DepthwiseShape& s, int64_t block) {
  return std::min<int64_t>(block * kLanes, s.c - kLanes);
}

// Adds the rows [begin, end) of dy, counted over all images, to sums [taps + 1, blocks, lanes]; the last is dy's own.
GRADSTEP_VECTORISED void sum_rows(const DepthwiseShape& s, const float* x, const float* dy, float* sums, int64_t begin,
                                  int64_t end) {
  constexpr int kMost = 8;
  const int64_t blocks = blocks_of(s), sums_stride = blocks * kLanes;
  for (int64_t row = begin; row < end; row++) {
    const int64_t n = row / s.p;
    const int32_t top = static_cast<int32_t>(row % s.p) * s.stride_h - s.pad_top;
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t channel = first_channel(s, block);
      const float* slopes = dy + row * s.q * s.c + channel;
      float* to = sums + block * kLanes;
      Lanes own = lanes(to + taps_of(s) * sums_stride);
      for (int32_t q = 0; q < s.q; q++) own += lanes(slopes + static_cast<int64_t>(q) * s.c);
      *reinterpret_cast<Lanes*>(to + taps_of(s) * sums_stride) = own;
      for (int32_t i = 0; i < s.kernel_h; i++) {
        const int32_t y = top + i * s.dilation_h;
        if (y < 0 || y >= s.h) continue;
        const float* line = x + ((n * s.h + y) * s.w - s.pad_left) * s.c + channel;
        for (int32_t j = 0; j < s.kernel_w; j += kMost) {
          const int taps = std::min(kMost, s.kernel_w - j);
          float* at = to + (static_cast<int64_t>(i) * s.kernel_w + j) * sums_stride;
          // Windows in which all these taps are inside go together, the others tap by tap.
          const Inside first = inside(s, j * s.dilation_w), last = inside(s, (j + taps - 1) * s.dilation_w);
          const Inside all = {first.begin, std::max(first.begin, last.end)};
          const float* from = line + static_cast<int64_t>(j) * s.dilation_w * s.c;
          sum_some_taps(taps, s, from, slopes, at, sums_stride, all);
          for (int t = 0; t < taps; t++) {
            const Inside own_windows = inside(s, (j + t) * s.dilation_w);
            const float* tap = from + static_cast<int64_t>(t) * s.dilation_w * s.c;
            const Inside before = {own_windows.begin, std::min(own_windows.end, all.begin)};
            const Inside after = {std::max(own_windows.begin, all.end), own_windows.end};
            if (before.begin < before.end) sum_taps<1>(s, tap, slopes, at + t * sums_stride, 0, before);
            if (after.begin < after.end) sum_taps<1>(s, tap, slopes, at + t * sums_stride, 0, after);
          }
        }
      }
    }
  }
}

int parts_of_dw(const DepthwiseShape& s, int threads) { return parts_of(s.n * s.p * s.q * s.c * taps_of(s), threads); }

}  // namespace

void spread_channels(float* to, const float* from, int64_t n, int times, int threads) {
  parallel_ranges(n, parts_of(n * times, threads), 16, [=](int, int64_t begin, int64_t end) {
    spread(to + begin * times, from + begin, end - begin, times);
  });
}

void fold_channels(float* to, const float* from, int64_t n, int times, bool accumulate, int threads) {
  parallel_ranges(n, parts_of(n * times, threads), 16, [=](int, int64_t begin, int64_t end) {
    fold(to + begin, from + begin * times, end - begin, times, accumulate);
  });
}

void reverse_taps(float* to, const float* from, int64_t taps, int64_t channels) {
  const size_t bytes = static_cast<size_t>(channels) * sizeof(float);
  for (int64_t tap = 0; tap < taps; tap++) std::memcpy(to + tap * channels, from + (taps - 1 - tap) * channels, bytes);
}

size_t depthwise_dw_bytes(const DepthwiseShape& s, int threads) {
  return static_cast<size_t>(parts_of_dw(s, threads) * (taps_of(s) + 1) * blocks_of(s) * kLanes) * sizeof(float);
}

void depthwise_dw(const DepthwiseShape& s, const float* x, const float* dy, float* dw, float* db, bool accumulate,
                  float* partial, int threads) {
  const int parts = parts_of_dw(s, threads);
  const int64_t blocks = blocks_of(s), width = blocks * kLanes, length = (taps_of(s) + 1) * width;
  parallel_ranges(s.n * s.p, parts, 1, [&](int part, int64_t begin, int64_t end) {
    float* sums = partial + part * length;
    std::memset(sums, 0, static_cast<size_t>(length) * sizeof(float));
    sum_rows(s, x, dy, sums, begin, end);
  });
  // A part may have no rows where there are fewer rows than parts.
  const auto has_rows = [&](int64_t part) { return s.n * s.p * part / parts < s.n * s.p * (part + 1) / parts; };
  for (int64_t tap = 0; tap <= taps_of(s); tap++) {
    const bool own = tap == taps_of(s);
    if (own && !db) break;
    float* to = own ? db : dw + tap * s.c;
    for (int64_t lane = 0; lane < width; lane++) {
      const int64_t channel = first_channel(s, lane / kLanes) + lane % kLanes;
      if (channel < lane / kLanes * kLanes) continue;  // the block before has it
      float sum = accumulate && !own ? to[channel] : 0.f;
      for (int part = 0; part < parts; part++) {
        if (has_rows(part)) sum += partial[part * length + tap * width + lane];
      }
      to[channel] = sum;
    }
  }
}

}  // namespace gradstep::cpu
