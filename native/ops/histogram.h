// Where an element of a histogram counts: the cell of a table [groups, rows, columns], the cell of the next row and how
// its weight is divided between the two. Both backends use it.
#pragma once

#include <cstdint>

#include "core/philox.h"
#include "core/state.h"

namespace gradstep {

template <typename Column, typename Row>
struct Histogram {
  const Column* column;
  const Row* row;        // null: all 0
  const float* weights;  // null: all 1
  int64_t n, per_weight;
  int32_t groups, rows, columns;
  uint32_t place;  // what the flag tells where a column lies outside

  struct Entry {
    int32_t problem;  // kFlagNone, or why it counts nowhere
    int32_t cell;
    float here, beyond;  // weight of this cell, and of the one `columns` further
  };

  GRADSTEP_HD int64_t cells() const { return static_cast<int64_t>(groups) * rows * columns; }

  GRADSTEP_HD Entry entry(int64_t i) const {
    const float at = row ? static_cast<float>(row[i]) : 0.f;
    const float chosen = static_cast<float>(column[i]);
    const bool known = at >= 0.f && at <= static_cast<float>(rows - 1);
    const bool counted = !(chosen < 0.f || chosen >= static_cast<float>(columns));
    if (!known) return {kFlagLabelRange, -1, 0.f, 0.f};
    if (!counted) return {kFlagMetricRange, -1, 0.f, 0.f};
    const int32_t low = static_cast<int32_t>(at);
    const int32_t where = chosen == chosen ? static_cast<int32_t>(chosen) : 0;
    const int32_t group = groups == 1 ? 0 : static_cast<int32_t>(i % groups);
    const float share = at - static_cast<float>(low);
    const float weight = weights ? weights[per_weight == 1 ? i : i / per_weight] : 1.f;
    return {kFlagNone, (group * rows + low) * columns + where, weight * (1.f - share), weight * share};
  }

  // What the flag says of element i, which counts nowhere.
  GRADSTEP_HD void raise(int32_t* flag, const int32_t* state, int64_t i, int32_t problem) const {
    if (flag[0] != kFlagNone) return;
    const float value = problem == kFlagLabelRange ? static_cast<float>(row[i]) : 0.f;
    flag[1] = static_cast<int32_t>(i);
    flag[2] = value > -2e9f && value < 2e9f ? static_cast<int32_t>(value) : -1;
    flag[3] = state[kStateStep];
    flag[0] = problem == kFlagMetricRange ? static_cast<int32_t>(kFlagMetricRange | place << kFlagCodeBits) : problem;
  }
};

}  // namespace gradstep
