// The small tensors that every program shares (see lib/train): counters, and the error flag that stops updates.
#pragma once

#include <cstdint>

namespace gradstep {

// state: int32[4]
enum StateField { kStateStep, kStateCursor, kStateSeedLow, kStateSeedHigh };

// flag: int32[4] = {code, index, value, step}; the first error of a run stays. The code's bits from kFlagCodeBits on
// may tell the place in the model (see lib/ops/embedding.ts).
enum FlagCode : int32_t {
  kFlagNone,
  kFlagLabelRange,
  kFlagNotFinite,
  kFlagRowRange,
  kFlagIndexRange,
  kFlagMetricRange,
  kFlagGradient
};
constexpr int kFlagCodeBits = 8;

// fault: int32[1], what the updates of a step found (lib/ops/update_inputs.ts): 0, or 1 + the position of the last
// gradient that is not finite. At the step's end it becomes a flag, so that no update of the same step sees one.

}  // namespace gradstep
