// An input of a map that is broadcast, transposed, of integers or in bfloat16, spread into blocks of float32 in the
// domain's order.
#pragma once

#include "core/map_plan.h"
#include "core/program.h"

namespace gradstep::cpu {

// Elements beyond the last that spreading may overwrite.
constexpr int64_t kSpreadRoom = 16;

struct Spread {
  const void* data;
  DType dtype;
  int rank;                   // dimensions joined where this input steps through both as through one; at least 1
  int64_t dims[kMaxRank];     // outermost first
  int64_t strides[kMaxRank];  // in elements; 0 where the input is broadcast
  int64_t period;  // after so many elements of the domain the input repeats: their number where it never does
};

Spread plan_spread(const MapPlan& plan, int input, const void* data, DType dtype);

// Elements [begin, begin + n) of the domain; the block has room for n + kSpreadRoom.
void spread(const Spread& input, int64_t begin, int64_t n, float* block);

}  // namespace gradstep::cpu
