// See spaced_pixels.h.
#include "cpu/spaced_pixels.h"

#include <cstring>

#include "cpu/parallel.h"

namespace gradstep::cpu {

void SpacedPixels::gather(void* y, const void* x, size_t element_bytes, int threads) const {
  const int64_t rows = images * to[0] * to[1];
  const size_t pixel = static_cast<size_t>(channels) * element_bytes;
  parallel_ranges(rows, parts_of(size(), threads), 1, [&](int, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t image = row / (to[0] * to[1]), plane = row / to[1] % to[0], line = row % to[1];
      const int64_t first = ((image * from[0] + plane * strides[0]) * from[1] + line * strides[1]) * from[2];
      const char* source = static_cast<const char*>(x) + static_cast<size_t>(first) * pixel;
      char* place = static_cast<char*>(y) + static_cast<size_t>(row * to[2]) * pixel;
      for (int64_t i = 0; i < to[2]; i++, place += pixel, source += static_cast<size_t>(strides[2]) * pixel) {
        std::memcpy(place, source, pixel);
      }
    }
  });
}

}  // namespace gradstep::cpu
