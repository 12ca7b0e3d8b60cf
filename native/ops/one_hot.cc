// oneHot on the CPU: a row is cleared, then its numbers are counted.
#include "generated/args/one_hot.h"

#include "core/state.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {

Step one_hot(Prepare& prepare, const OneHotArgs& args) {
  const int32_t classes = args.classes;
  const int64_t length = args.x.dims[args.x.rank - 1], n = args.x.size(), rows = n / length;
  const int64_t row_size = n / args.x.dims[0];  // numbers in a row of the batch
  const bool any = args.mode == OneHotArgs::kModeAny;
  const int32_t code = static_cast<int32_t>(kFlagIndexRange | args.place << kFlagCodeBits);
  const int parts = parts_of(args.y.size() + n, prepare.threads());
  return [=, x = prepare.at<int32_t>(args.x), y = prepare.at(args.y), state = prepare.at<int32_t>(args.state),
          flag = prepare.at<int32_t>(args.flag)] {
    for (int64_t i = 0; flag != nullptr && i < n; i++) {
      if ((x[i] >= 0 && x[i] < classes) || flag[0] != kFlagNone) continue;
      flag[1] = static_cast<int32_t>(i / row_size);
      flag[2] = x[i];
      flag[3] = state[kStateStep];
      flag[0] = code;
    }
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        float* to = y + row * classes;
        fill(to, 0.f, classes);
        for (int64_t i = row * length; i < (row + 1) * length; i++) {
          if (x[i] >= 0 && x[i] < classes) to[x[i]] = any ? 1.f : to[x[i]] + 1.f;
        }
      }
    });
  };
}

}  // namespace gradstep::cpu
