// reverse on the CPU: whole rows of `inner` numbers, or one after the other from the end. int32 moves as float32 does:
// by its bits.
#include "generated/args/reverse.h"

#include <cstring>

#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void reverse_row(uint32_t* y, const uint32_t* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = x[n - 1 - i];
}

}  // namespace

Step reverse(Prepare& prepare, const ReverseArgs& args) {
  const int64_t outer = args.x.dims[0], length = args.x.dims[1], inner = args.x.dims[2];
  const int parts = parts_of(args.x.size(), prepare.threads());
  return [=, x = prepare.at<uint32_t>(args.x), y = prepare.at<uint32_t>(args.y)] {
    if (inner == 1) {
      parallel_ranges(outer, parts, 1, [&](int, int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; o++) reverse_row(y + o * length, x + o * length, length);
      });
      return;
    }
    parallel_ranges(outer * length, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        const int64_t first = row / length * length;
        std::memcpy(y + row * inner, x + (2 * first + length - 1 - row) * inner, inner * sizeof(uint32_t));
      }
    });
  };
}

}  // namespace gradstep::cpu
