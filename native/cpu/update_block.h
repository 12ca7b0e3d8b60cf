// The loop of every optimizer on the CPU: one pass over the parameter block, in contiguous ranges, and nothing while a
// flag is set. A rule (native/ops/<optimizer>.h) holds the options; rule.at(learning rate, t) works out once what all
// elements of step t share, and what it returns moves one element: move(w, g, slot...).
#pragma once

#include "core/state.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {

template <typename Move, typename... Slot>
GRADSTEP_VECTORISED void update_range(const Move& shared, int64_t n, float* __restrict w, const float* __restrict g,
                                      Slot* __restrict... slots) {
  const Move move = shared;
  for (int64_t i = 0; i < n; i++) move(w[i], g[i], slots[i]...);
}

// `state` is null for rules that do not depend on the step; `slots` are float*.
template <typename Args, typename Rule, typename... Slot>
Step update_block(Prepare& prepare, const Args& args, const Rule& rule, const int32_t* state, Slot... slots) {
  const int64_t size = args.params.size();
  const int parts = parts_of(size, prepare.threads());
  return [=, w = prepare.at(args.params), g = prepare.at(args.grads), rate = prepare.at(args.learning_rate),
          flag = prepare.template at<int32_t>(args.flag)] {
    if (flag[0] != kFlagNone) return;
    const auto move = rule.at(*rate, state ? state[kStateStep] + 1 : 0);
    parallel_ranges(size, parts, 16, [&](int, int64_t begin, int64_t end) {
      update_range(move, end - begin, w + begin, g + begin, (slots + begin)...);
    });
  };
}

}  // namespace gradstep::cpu
