// See packed_windows.h. A strip is six channels of one or several positions of the kernel, each of which goes along
// lines of pixels.
#include "cpu/packed_windows.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/packed_strips.h"
#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

struct Place {
  int64_t along[3];
};

// Of a kernel.
GRADSTEP_INLINE Place position_of(const Windows& w, int64_t tap) {
  const int64_t inner = w.axes[2].taps, middle = w.axes[1].taps;
  return {{tap / (inner * middle), tap / inner % middle, tap % inner}};
}

// A pixel of the result, and its image.
struct Pixel {
  int64_t image;
  Place at;
};

GRADSTEP_INLINE Pixel pixel_of(const Windows& w, int64_t pixel) {
  const int64_t inner = w.axes[2].y, middle = w.axes[1].y, outer = w.axes[0].y;
  const int64_t line = pixel / inner, plane = line / middle;
  return {plane / outer, {{plane % outer, line % middle, pixel % inner}}};
}

// Where a window's position lies along an axis; beyond the image perhaps.
GRADSTEP_INLINE int64_t meets(const ConvAxis& axis, int64_t window, int64_t tap) {
  return window * axis.stride + tap * axis.dilation - axis.pad;
}

GRADSTEP_INLINE bool inside(const ConvAxis& axis, int64_t at) { return at >= 0 && at < axis.x; }

// The line of the image that a pixel's window meets by a position of the kernel, or -1.
GRADSTEP_INLINE int64_t line_of(const Windows& w, const Pixel& p, const Place& tap) {
  const int64_t outer = meets(w.axes[0], p.at.along[0], tap.along[0]);
  const int64_t middle = meets(w.axes[1], p.at.along[1], tap.along[1]);
  if (!inside(w.axes[0], outer) || !inside(w.axes[1], middle)) return -1;
  return (p.image * w.axes[0].x + outer) * w.axes[1].x + middle;
}

// to[pixel][6] = kCount channels of pixels `step` numbers apart, or zeros.
template <typename T, bool kRound, int kCount>
GRADSTEP_INLINE float* copy(float* to, const T* from, int64_t step, int64_t pixels) {
  for (int64_t i = 0; i < pixels; i++, to += kTileRows, from += step) {
    if constexpr (std::is_same_v<T, float> && !kRound) {
      std::memcpy(to, from, kCount * sizeof(float));
    } else {
      for (int l = 0; l < kCount; l++) to[l] = operand<kRound>(from[l]);
    }
  }
  return to;
}

template <int kCount>
GRADSTEP_INLINE float* clear(float* to, int64_t pixels) {
  for (int64_t i = 0; i < pixels; i++, to += kTileRows) std::memset(to, 0, kCount * sizeof(float));
  return to;
}

// kCount channels of one position of the kernel, for `depth` pixels of the result.
template <typename T, bool kRound, int kCount>
GRADSTEP_INLINE void pack_channels(const Windows& w, float* to, const T* image, int64_t tap, int64_t k, int64_t depth) {
  const ConvAxis& axis = w.axes[2];
  const Place place = position_of(w, tap);
  const int64_t offset = meets(axis, 0, place.along[2]);
  // Windows whose position is inside the line.
  const int64_t from = offset < 0 ? (-offset + axis.stride - 1) / axis.stride : 0;
  const int64_t until = offset < axis.x ? (axis.x - 1 - offset) / axis.stride + 1 : 0;
  Pixel pixel = pixel_of(w, k);
  while (depth > 0) {
    const int64_t begin = pixel.at.along[2], end = std::min(axis.y, begin + depth);
    const int64_t line = line_of(w, pixel, place);
    const int64_t first = line < 0 ? end : std::clamp(from, begin, end);
    const int64_t last = line < 0 ? end : std::clamp(until, first, end);
    to = clear<kCount>(to, first - begin);
    if (first < last) {
      const T* source = image + (line * axis.x + meets(axis, first, place.along[2])) * w.channels;
      to = copy<T, kRound, kCount>(to, source, axis.stride * w.channels, last - first);
    }
    to = clear<kCount>(to, end - last);
    depth -= end - begin;
    pixel.at.along[2] = 0;
    if (++pixel.at.along[1] < w.axes[1].y) continue;
    pixel.at.along[1] = 0;
    if (++pixel.at.along[0] < w.axes[0].y) continue;
    pixel.at.along[0] = 0;
    pixel.image++;
  }
}

// `count` of at most kMost channels.
template <typename T, bool kRound, int kMost>
GRADSTEP_INLINE void pack_up_to(const Windows& w, float* to, const T* image, int64_t tap, int64_t k, int64_t depth,
                                int64_t count) {
  if (count == kMost) return pack_channels<T, kRound, kMost>(w, to, image, tap, k, depth);
  if constexpr (kMost > 1) pack_up_to<T, kRound, kMost - 1>(w, to, image, tap, k, depth, count);
}

template <typename T, bool kRound>
GRADSTEP_VECTORISED void pack_columns(const Windows& w, float* to, const T* image, int64_t first, int64_t count,
                                      int64_t k, int64_t depth) {
  for (int64_t r = 0; r < count; r += kTileRows, to += kStrip) {
    const int64_t lanes = std::min(kTileRows, count - r);
    for (int64_t lane = 0; lane < lanes;) {
      const int64_t column = first + r + lane, tap = column / w.channels, channel = column % w.channels;
      const int64_t channels = std::min(w.channels - channel, lanes - lane);
      pack_up_to<T, kRound, kTileRows>(w, to + lane, image + channel, tap, k, depth, channels);
      lane += channels;
    }
  }
}

}  // namespace

void pack_window_columns(const Windows& windows, Stored image, bool round, float* to, int64_t first, int64_t count,
                         int64_t k, int64_t depth) {
  as_operand(image, round, [&](auto rounds, auto* x) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
    pack_columns<T, decltype(rounds)::value>(windows, to, x, first, count, k, depth);
  });
}

}  // namespace gradstep::cpu
