// All turns of a recurrence (recurrence.cuh) in one kernel whose blocks wait for one another after each (Diamos et al.
// 2016): a block keeps the recurrent kernel's columns of some units in its shared memory for the whole sequence, and
// per turn reads only what blocks of its group (turn_split.cuh) made of the turn before.
//
// How they pass that on is an `Exchange` (persistent_recurrence.cuh, cluster_recurrence.cuh), all of whose functions
// all threads of a block call, in this order:
//   begin()                   once, when the block has taken its weights
//   wait(turn)                until what meets the kernel at this turn is there
//   operand(turn, at)         eight rows of that, the group's from `at` on, as products take it
//   hand_on(turn, here, inside, brought)  takes what the thread's unit, if it has one there (`inside`), brings to the
//                             next operand
//   arrive()                  the block has done so with all rows
#pragma once

#include "ops/turn_split.cuh"

namespace gradstep::cuda {

// A block's group, its first unit, and its group's first row and number of rows.
struct TurnPlace {
  int32_t group, unit, begin, rows;

  __device__ TurnPlace(const TurnSplit& p, const Sequence& s)
      : group(blockIdx.x / p.blocks),
        unit(blockIdx.x % p.blocks * p.units),
        begin(group * p.rows),
        rows(min(p.rows, s.batch - begin)) {}
};

// Four terms of a column: forward of a gate of a unit, backward of a unit. Zeros beyond the block's units and the
// depth.
template <typename Run>
__device__ inline Pack<float, 4> weights_of(const Run& run, const TurnSplit& p, int32_t first, int32_t column,
                                            int32_t term) {
  const int32_t unit = first + column % p.units, product = column / p.units;
  if (unit >= run.s.units || column >= p.product.columns || term >= p.product.depth) return zeros<4>();
  const int64_t row = static_cast<int64_t>(Run::kGates) * run.s.units;
  if constexpr (Run::kBackward) {
    return load_pack<4>(run.u + unit * row + term);
  } else {
    Pack<float, 4> terms;
#pragma unroll
    for (int k = 0; k < 4; k++) terms.v[k] = run.u[(term + k) * row + product * run.s.units + unit];
    return terms;
  }
}

template <typename Product, typename Run, typename Exchange>
__device__ inline void make_turns(const Run& run, const TurnSplit& p, Exchange& exchange) {
  unsigned char* const memory = dynamic_shared<unsigned char>();
  float* const sums = reinterpret_cast<float*>(memory + sums_offset<Product>(p));
  const TurnPlace place(p, run.s);
  const int32_t row = threadIdx.x / p.units, unit = place.unit + threadIdx.x % p.units;
  const bool has_unit = row < kProductRows && unit < run.s.units;

  Product::take(
      p.product, [&](int32_t column, int32_t term) { return weights_of(run, p, place.unit, column, term); }, memory);
  exchange.begin();
  typename Run::template Known<1> known{};
  if (has_unit && row < place.rows) known = run.fetch(0, Units<1>(run.s, place.begin + row, unit));
  for (int turn = 0; turn < run.turns(); turn++) {
    exchange.wait(turn);
    const bool multiplies = turn > 0 || run.operand(0) != nullptr;
    for (int32_t at = 0; at < place.rows; at += kProductRows) {
      if (multiplies) {
        Product::multiply(p.product, memory, exchange.operand(turn, at), sums);
        __syncthreads();
      }
      const Units<1> here(run.s, place.begin + at + row, unit);
      const bool inside = has_unit && at + row < place.rows;
      typename Run::template Made<1> made{};
      Pack<float, 1> brought[kBrought<Run>] = {};
      if (inside) {
        Pack<float, 1> z[kProducts<Run>] = {};
        if (multiplies) {
#pragma unroll
          for (int g = 0; g < kProducts<Run>; g++) {
#pragma unroll
            for (int w = 0; w < kPersistentWarps; w++) {
              z[g].v[0] +=
                  sums[(w * kProductRows + row) * p.product.sum_stride() + g * p.units + threadIdx.x % p.units];
            }
          }
        }
        made = run.make(turn, known, z, brought);
      }
      const bool more_rows = at + kProductRows < place.rows, more = more_rows || turn + 1 < run.turns();
      if (turn + 1 < run.turns()) exchange.hand_on(turn, here, inside, brought);
      if (more_rows) {
        __syncthreads();
      } else if (more) {
        exchange.arrive();
      }
      if (inside) run.store(turn, here, made);
      const int32_t next = more_rows ? at + kProductRows : 0;
      if (more && has_unit && next + row < place.rows) {
        known = run.fetch(more_rows ? turn : turn + 1, Units<1>(run.s, place.begin + next + row, unit));
      }
    }
  }
}

}  // namespace gradstep::cuda
