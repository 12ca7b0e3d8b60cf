// What both backends know of to_bfloat16: the tensors of one instruction.
#pragma once

#include <vector>

#include "generated/args/to_bfloat16.h"

namespace gradstep {

constexpr int kRoundedAtOnce = 16;  // ROUNDED_AT_ONCE of lib/ops/to_bfloat16.ts

struct RoundedPair {
  Tensor x, y;
};

// Those that are there.
inline std::vector<RoundedPair> rounded_pairs(const ToBfloat16Args& args) {
  const Tensor* const all[kRoundedAtOnce][2] = {
      {&args.x1, &args.y1},   {&args.x2, &args.y2},   {&args.x3, &args.y3},   {&args.x4, &args.y4},
      {&args.x5, &args.y5},   {&args.x6, &args.y6},   {&args.x7, &args.y7},   {&args.x8, &args.y8},
      {&args.x9, &args.y9},   {&args.x10, &args.y10}, {&args.x11, &args.y11}, {&args.x12, &args.y12},
      {&args.x13, &args.y13}, {&args.x14, &args.y14}, {&args.x15, &args.y15}, {&args.x16, &args.y16},
  };
  std::vector<RoundedPair> present;
  for (const auto& [x, y] : all) {
    if (x->present() && y->present()) present.push_back({*x, *y});
  }
  return present;
}

}  // namespace gradstep
