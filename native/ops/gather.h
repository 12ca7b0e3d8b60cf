// The end of a step: counters move on, and what the step's updates found to be wrong becomes the error flag.
#pragma once

#include <cstdint>

#include "core/philox.h"
#include "core/state.h"
#include "generated/args/gather.h"

namespace gradstep {

struct Advance {
  int32_t* state;
  int32_t* updates;  // null: not counted
  int32_t* fault;    // null: nothing was watched
  int32_t* flag;     // null where updates and fault are
  int32_t steps, rows, moves;

  GRADSTEP_HD inline void operator()() const {
    state[kStateStep] += steps;
    state[kStateCursor] += rows;
    if (updates && flag[0] == kFlagNone) updates[kStateStep] += moves;
    if (!fault || fault[0] == 0) return;
    if (flag[0] == kFlagNone) {
      flag[1] = fault[0] - 1;
      flag[2] = 0;
      flag[3] = state[kStateStep] - 1;
      flag[0] = kFlagGradient;
    }
    fault[0] = 0;
  }
};

// By either backend's Prepare.
template <typename Prepare>
Advance advance_of(const Prepare& prepare, const AdvanceArgs& args) {
  const auto at = [&](const Tensor& tensor) { return prepare.template at<int32_t>(tensor); };
  return {at(args.state), at(args.updates), at(args.fault), at(args.flag), args.steps, args.rows, args.moves};
}

}  // namespace gradstep
