// Where resize samples an axis, in whole numbers, so that every device agrees to the bit. Position i of `out` lies at
// ((2 i + 1) a - b) / 2 b in the source, where a / b is size / out in lowest terms.
#pragma once

#include <cstdint>
#include <numeric>

#include "core/error.h"
#include "core/philox.h"

namespace gradstep {

// Two source positions and the second one's share.
struct ResizeTap {
  int32_t low, high;
  float share;
};

// Divide: exact division of numbers from 0 to 2^31 - 1, `uint32_t quotient(uint32_t) const`.
template <typename Divide>
class ResizeAxis {
 public:
  int32_t size, out, a, b;
  bool bilinear;
  Divide by_2b, by_2a;

  ResizeAxis(int32_t of, int32_t to, bool smooth)
      : size(of), out(to), a(of / std::gcd(of, to)), b(to / std::gcd(of, to)), bilinear(smooth) {
    if ((2 * int64_t{size} + 3) * b + 2 * int64_t{a} >= int64_t{1} << 31) {
      throw Error("ERR_SHAPE", "Cannot resize an axis of " + std::to_string(size) + " to " + std::to_string(out) +
                                   ": their ratio in lowest terms is too large");
    }
    by_2b = Divide(static_cast<uint32_t>(2 * b));
    by_2a = Divide(static_cast<uint32_t>(2 * a));
  }

  GRADSTEP_HD ResizeTap tap(int32_t i) const {
    const int32_t middle = (2 * i + 1) * a;
    if (!bilinear) {
      const int32_t at = static_cast<int32_t>(by_2b.quotient(static_cast<uint32_t>(middle)));
      return {at, at, 0.f};
    }
    const int32_t last = (size - 1) * 2 * b;
    const int32_t from_first = middle < b ? 0 : middle - b;
    const int32_t place = from_first < last ? from_first : last;
    const int32_t low = static_cast<int32_t>(by_2b.quotient(static_cast<uint32_t>(place)));
    const int32_t rest = place - low * 2 * b;
    return {low, low + 1 < size ? low + 1 : low, static_cast<float>(rest) / static_cast<float>(2 * b)};
  }

  // The share of source position h in a tap.
  GRADSTEP_HD static float share_of(const ResizeTap& tap, int32_t h) {
    return tap.low == h ? 1.f - tap.share : (tap.high == h ? tap.share : 0.f);
  }

  // Positions in whose taps source position h has a share: [begin, end).
  GRADSTEP_HD int32_t begin(int32_t h) const { return first_beyond(h); }
  GRADSTEP_HD int32_t end(int32_t h) const {
    if (!bilinear) return h + 1 < size ? first_beyond(h + 1) : out;
    return h + 1 < size ? first_beyond(h + 2) : out;
  }

 private:
  // The first i with (2 i + 1) a > (2 h - 1) b, beyond the centre of h - 1; nearest: (2 i + 1) a >= 2 h b, in h or
  // beyond.
  GRADSTEP_HD int32_t first_beyond(int32_t h) const {
    const int64_t edge = bilinear ? (2 * int64_t{h} - 1) * b - a + 1 : 2 * int64_t{h} * b - a;
    if (edge <= 0) return 0;
    const uint32_t i = by_2a.quotient(static_cast<uint32_t>(edge + 2 * a - 1));
    return i < static_cast<uint32_t>(out) ? static_cast<int32_t>(i) : out;
  }
};

}  // namespace gradstep
