// to_int32 on the CPU: one pass.
#include "ops/to_int32.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/args/to_int32.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void truncate_all(int32_t* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = truncated(x[i]);
}

}  // namespace

Step to_int32(Prepare& prepare, const ToInt32Args& args) {
  const int64_t n = args.x.size();
  const int parts = parts_of(n, prepare.threads());
  return [=, x = prepare.at(args.x), y = prepare.at<int32_t>(args.y)] {
    parallel_ranges(n, parts, 16,
                    [&](int, int64_t begin, int64_t end) { truncate_all(y + begin, x + begin, end - begin); });
  };
}

}  // namespace gradstep::cpu
