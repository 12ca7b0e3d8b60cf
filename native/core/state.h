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
  kFlagMetricRange
};
constexpr int kFlagCodeBits = 8;

}  // namespace gradstep
