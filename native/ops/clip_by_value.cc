// clip_by_value on the CPU: one pass over the gradients.
#include "ops/clip_by_value.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/args/clip_by_value.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void clip_range(const ClipByValue& shared, int64_t n, float* g) {
  const ClipByValue clip = shared;
  for (int64_t i = 0; i < n; i++) g[i] = clip(g[i]);
}

}  // namespace

Step clip_by_value(Prepare& prepare, const ClipByValueArgs& args) {
  const int64_t size = args.grads.size();
  const int parts = parts_of(size, prepare.threads());
  return [=, clip = ClipByValue{args.limit}, g = prepare.at(args.grads)] {
    parallel_ranges(size, parts, 16,
                    [&](int, int64_t begin, int64_t end) { clip_range(clip, end - begin, g + begin); });
  };
}

}  // namespace gradstep::cpu
