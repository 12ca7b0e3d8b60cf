// How one kernel that makes all turns of a recurrence (turn_loop.cuh) is split among blocks. Rows do not need one
// another, so blocks form groups, each with some of the rows and, block by block, all units; a group goes through its
// rows eight at a time. It takes units that divide by four, at least two steps, and at most 64 rows a group (more of
// them keep a library's product busy).
#pragma once

#include <algorithm>
#include <cmath>

#include "cuda/prepare.h"
#include "ops/recurrence.cuh"
#include "ops/recurrent_product.cuh"

namespace gradstep::cuda {

constexpr int kGroupRows = 64;
constexpr int kBlockUnits = kPersistentThreads / kProductRows;  // a thread has one unit of one row

struct TurnSplit {
  int32_t groups;  // 0: not in one kernel
  int32_t blocks;  // of a group
  int32_t rows;    // of a group, a multiple of kProductRows
  int32_t units;   // of a block, a multiple of four
  bool handed;     // operands go from block to block: each holds those of all rows, this turn's and the next one's
  ProductShape product;

  __host__ __device__ int32_t eights() const { return rows / kProductRows; }
  __host__ __device__ int32_t held() const { return handed ? 2 * eights() : 1; }
};

// What a block has in shared memory: its columns' weights; of each operand of eight rows that it holds at a time, what
// lanes bring of it; and the warps' sums.
template <typename Product>
__host__ __device__ inline int64_t held_offset(const TurnSplit& p) {
  return Product::weight_bytes(p.product);
}
template <typename Product>
__host__ __device__ inline int64_t sums_offset(const TurnSplit& p) {
  return held_offset<Product>(p) + static_cast<int64_t>(p.held()) * p.product.held() * sizeof(typename Product::Held);
}
template <typename Product>
int64_t shared_bytes(const TurnSplit& p) {
  return sums_offset<Product>(p) + static_cast<int64_t>(p.product.sums()) * sizeof(float);
}

// Of eight rows, as products take it.
template <typename Product>
double operand_bytes(const TurnSplit& p) {
  return static_cast<double>(kProductRows / 4 * sizeof(typename Product::Held)) * p.product.depth;
}

inline bool can_be_split(const Sequence& s) { return s.units % 4 == 0 && s.steps >= 2; }

// The one of least nanoseconds(split, least): infinite where it does not fit, and where it is found not to be less than
// the least so far.
template <typename Run, typename Time>
TurnSplit quickest_split(const Sequence& s, Precision precision, bool handed, const Time& nanoseconds) {
  TurnSplit best{};
  if (!can_be_split(s)) return best;
  const int32_t eights = (s.batch + kProductRows - 1) / kProductRows;
  double least = INFINITY;
  for (int32_t each = 1; each <= std::min(eights, kGroupRows / kProductRows); each++) {
    for (int32_t units = 4; units <= std::min(kBlockUnits, s.units); units += 4) {
      const ProductShape product{units * kProducts<Run>, Run::kBackward ? Run::kGates * s.units : s.units, precision};
      const TurnSplit p{
          (eights + each - 1) / each, (s.units + units - 1) / units, each * kProductRows, units, handed, product};
      const double taken = nanoseconds(p, least);
      if (!(taken < least)) continue;
      best = p;
      least = taken;
    }
  }
  return best;
}

// Calls use(Product{}) with what multiplies such operands here.
template <typename Use>
auto with_product(const Prepare& prepare, Precision precision, const Use& use) {
  if (!prepare.tensor_cores() || precision == Precision::kFloat32) return use(FmaProduct{});
  if (precision == Precision::kTf32) return use(TensorProduct<Tf32>{});
  return use(TensorProduct<RoundedBfloat16>{});
}

}  // namespace gradstep::cuda
