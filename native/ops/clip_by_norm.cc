// clip_by_norm on the CPU: threads add up the squares of their range tensor by tensor, one adds the threads' sums in
// order, and the threads scale what is too long.
#include "ops/clip_by_norm.h"

#include <algorithm>
#include <cmath>

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "generated/args/clip_by_norm.h"

namespace gradstep::cpu {
namespace {

// body(tensor, begin, end) for the part of each tensor that lies in [begin, end).
template <typename Body>
void for_tensors(const ClippedBlock& block, int64_t begin, int64_t end, Body body) {
  for (int32_t s = block.tensor_at(begin); begin < end; s++) {
    const int64_t stop = std::min(end, block.begin(s + 1));
    body(s, begin, stop);
    begin = stop;
  }
}

}  // namespace

Step clip_by_norm(Prepare& prepare, const ClipByNormArgs& args) {
  const int32_t tensors = args.begins.present() ? static_cast<int32_t>(args.begins.size()) : 1;
  const ClippedBlock block{prepare.at(args.grads), prepare.at<int32_t>(args.begins), args.grads.size(), tensors,
                           args.limit};
  const int parts = parts_of(block.size, prepare.threads());
  // [parts, tensors], then [tensors]
  double* partial = static_cast<double*>(prepare.workspace((parts + 1) * tensors * sizeof(double)));
  return [=, norms = prepare.at(args.norms)] {
    std::fill(partial, partial + (parts + 1) * tensors, 0.);
    double* factors = partial + parts * tensors;
    parallel_ranges(block.size, parts, ClippedBlock::kUnit, [&](int part, int64_t begin, int64_t end) {
      for_tensors(block, begin, end, [&](int32_t s, int64_t from, int64_t to) {
        partial[part * tensors + s] = dot(block.grads + from, block.grads + from, to - from);
      });
    });
    bool any = false;
    for (int32_t s = 0; s < tensors; s++) {
      double squares = 0;
      for (int part = 0; part < parts; part++) squares += partial[part * tensors + s];
      const double norm = std::sqrt(squares);
      norms[s] = static_cast<float>(norm);
      factors[s] = block.factor(norm);
      any = any || factors[s] != 1;
    }
    if (!any) return;
    parallel_ranges(block.size, parts, ClippedBlock::kUnit, [&](int, int64_t begin, int64_t end) {
      for_tensors(block, begin, end, [&](int32_t s, int64_t from, int64_t to) {
        const float factor = static_cast<float>(factors[s]);
        if (std::isnan(factor)) {
          // Gaps stay 0: nothing would ever clear them.
          std::replace_if(
              block.grads + from, block.grads + to, [](float g) { return g != 0; }, factor);
        } else if (factor != 1) {
          scale(block.grads + from, factor, to - from);
        }
      });
    });
  };
}

}  // namespace gradstep::cpu
