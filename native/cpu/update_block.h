// The loop of every optimizer on the CPU: one pass over the parameter block, in contiguous ranges, and nothing while a
// flag is set. A rule (native/ops/<optimizer>.h) holds the options; rule.at(learning rate, t) works out once what all
// elements of step t share, and what it returns moves one element: move(w, g, slot...). Where faults are watched an
// element whose gradient is not finite stays as it is, with its slots, and is told.
#pragma once

#include <cstring>

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

// A number's magnitude as bits: infinity's and above where it is not finite.
GRADSTEP_INLINE uint32_t magnitude(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits & 0x7fffffffu;
}
constexpr uint32_t kInfinity = 0x7f800000u;

// Moves an element, or leaves it and its slots as they are. Both are computed, so that loops have no branch.
template <typename Move, typename... Slot>
GRADSTEP_INLINE void move_if(bool fine, const Move& move, float& w, float g, Slot&... slot) {
  float moved = w;
  [&](Slot... s) __attribute__((always_inline)) {
    move(moved, g, s...);
    ((slot = fine ? s : slot), ...);
  }
  (slot...);
  w = fine ? moved : w;
}

// Moves those of n elements whose gradient is finite; returns the largest magnitude of all gradients.
template <typename Move, typename... Slot>
GRADSTEP_VECTORISED uint32_t update_finite(const Move& shared, int64_t n, float* __restrict w,
                                           const float* __restrict g, Slot* __restrict... slots) {
  const Move move = shared;
  uint32_t largest = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t size = magnitude(g[i]);
    largest = largest > size ? largest : size;
    move_if(size < kInfinity, move, w[i], g[i], slots[i]...);
  }
  return largest;
}

// 1 + the position of the last of n numbers that is not finite.
inline int64_t behind_last_fault(const float* x, int64_t n) {
  while (n > 0 && magnitude(x[n - 1]) < kInfinity) n--;
  return n;
}

// *at becomes at least `value`, whichever thread says so.
inline void raise_to(int32_t* at, int32_t value) {
  int32_t now = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (now < value && !__atomic_compare_exchange_n(at, &now, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

// `state` is null for rules that do not depend on the step; `slots` are float*.
template <typename Args, typename Rule, typename... Slot>
Step update_block(Prepare& prepare, const Args& args, const Rule& rule, const int32_t* state, Slot... slots) {
  const int64_t size = args.params.size();
  const int parts = parts_of(size, prepare.threads());
  return [=, w = prepare.at(args.params), g = prepare.at(args.grads), rate = prepare.at(args.learning_rate),
          flag = prepare.template at<int32_t>(args.flag), fault = prepare.template at<int32_t>(args.fault),
          first = args.first] {
    if (flag[0] != kFlagNone) return;
    const auto move = rule.at(*rate, state ? state[kStateStep] + 1 : 0);
    parallel_ranges(size, parts, 16, [&](int, int64_t begin, int64_t end) {
      if (!fault) {
        update_range(move, end - begin, w + begin, g + begin, (slots + begin)...);
      } else if (update_finite(move, end - begin, w + begin, g + begin, (slots + begin)...) >= kInfinity) {
        raise_to(fault, static_cast<int32_t>(first + begin + behind_last_fault(g + begin, end - begin)));
      }
    });
  };
}

}  // namespace gradstep::cpu
