// What both backends know of moving_average: the tensors of one instruction, and one element of an average, a <-
// momentum a + rate v with momentum + rate = 1, written so that it moves from the nearer end: the value stays put when
// it equals the average, though the factors are rounded. Without momentum it is the value, whatever the average was.
#pragma once

#include <vector>

#include "core/philox.h"
#include "generated/args/moving_average.h"

namespace gradstep {

constexpr int kAverages = 16;  // AVERAGES of lib/ops/moving_average.ts

struct AveragePair {
  Tensor average, value;
};

// Those that are there.
inline std::vector<AveragePair> average_pairs(const MovingAverageArgs& args) {
  const Tensor* const all[kAverages][2] = {
      {&args.average1, &args.value1},   {&args.average2, &args.value2},   {&args.average3, &args.value3},
      {&args.average4, &args.value4},   {&args.average5, &args.value5},   {&args.average6, &args.value6},
      {&args.average7, &args.value7},   {&args.average8, &args.value8},   {&args.average9, &args.value9},
      {&args.average10, &args.value10}, {&args.average11, &args.value11}, {&args.average12, &args.value12},
      {&args.average13, &args.value13}, {&args.average14, &args.value14}, {&args.average15, &args.value15},
      {&args.average16, &args.value16},
  };
  std::vector<AveragePair> present;
  for (const auto& [average, value] : all) {
    if (average->present() && average->size() > 0) present.push_back({*average, *value});
  }
  return present;
}

struct MovingAverage {
  float momentum, rate;

  GRADSTEP_HD inline float operator()(float average, float value) const {
    if (momentum == 0.f) return value;
    const float gap = value - average;
    return rate < 0.5f ? average + rate * gap : value - momentum * gap;
  }
};

}  // namespace gradstep
