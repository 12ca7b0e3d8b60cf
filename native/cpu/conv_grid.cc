// See conv_grid.h.
#include "cpu/conv_grid.h"

#include <algorithm>

namespace gradstep::cpu {
namespace {

// One axis of one phase, or of y: the pixel at each place, or -1.
std::vector<int64_t> pixels_along(int64_t places, int64_t size, int64_t stride, int64_t from) {
  std::vector<int64_t> at(places);
  for (int64_t u = 0; u < places; u++) {
    const int64_t pixel = u * stride + from;
    at[u] = pixel >= 0 && pixel < size ? pixel : -1;
  }
  return at;
}

// The positions of a further axis inside those of the ones before it.
std::vector<int32_t> combined(const std::vector<int32_t>& outer, const std::vector<int64_t>& inner, int64_t size) {
  std::vector<int32_t> all;
  all.reserve(outer.size() * inner.size());
  for (const int32_t o : outer) {
    for (const int64_t i : inner) all.push_back(o < 0 || i < 0 ? -1 : static_cast<int32_t>(o * size + i));
  }
  return all;
}

}  // namespace

ConvGrid::ConvGrid(const std::vector<ConvAxis>& axes) : taps{{0, 0}}, x_at{{0}}, y_at{0} {
  for (const ConvAxis& axis : axes) {
    const int64_t furthest = (axis.taps - 1) * axis.dilation / axis.stride, places = axis.y + furthest;
    std::vector<int64_t> phases;  // those that a position of the kernel meets
    std::vector<Tap> further;
    for (int64_t t = 0; t < axis.taps; t++) {
      const int64_t phase = t * axis.dilation % axis.stride;
      if (std::find(phases.begin(), phases.end(), phase) == phases.end()) phases.push_back(phase);
    }
    const int count = static_cast<int>(phases.size());
    for (const Tap& tap : taps) {
      for (int64_t t = 0; t < axis.taps; t++) {
        const auto phase = std::find(phases.begin(), phases.end(), t * axis.dilation % axis.stride);
        further.push_back({tap.phase * count + static_cast<int>(phase - phases.begin()),
                           tap.shift * places + t * axis.dilation / axis.stride});
      }
    }
    std::vector<std::vector<int32_t>> x;
    for (const auto& outer : x_at) {
      for (const int64_t phase : phases) {
        x.push_back(combined(outer, pixels_along(places, axis.x, axis.stride, phase - axis.pad), axis.x));
      }
    }
    x_at = std::move(x);
    y_at = combined(y_at, pixels_along(places, axis.y, 1, 0), axis.y);
    taps = std::move(further);
    positions *= places;
    x_pixels *= axis.x;
    y_pixels *= axis.y;
    reach = reach * places + furthest;
  }
}

}  // namespace gradstep::cpu
