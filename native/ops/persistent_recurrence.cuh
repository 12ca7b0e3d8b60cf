// All turns of a recurrence (recurrence.cuh) in one kernel whose blocks wait for one another after each (Diamos et al.
// 2016): a block keeps the recurrent kernel's columns of some units in its shared memory for the whole sequence, and
// per turn reads only what other blocks made of the turn before. Rows do not need one another, so blocks form groups,
// each with some of the rows, all of the recurrent kernel, and a barrier of its own. A group goes through its rows
// eight at a time. How many groups there are, and how many units a block has, follows from a model of a turn's time.
//
// It takes units that divide by four, at least two steps, at most 64 rows a group (more of them keep a library's
// product busy), and a recurrent kernel that fits the shared memory of as many blocks as the device has
// multiprocessors.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cuda/group_barrier.h"
#include "cuda/ways.h"
#include "ops/recurrence.cuh"
#include "ops/recurrent_product.cuh"

namespace gradstep::cuda {

constexpr int kGroupRows = 64;
constexpr int kBlockUnits = kPersistentThreads / kProductRows;  // a thread has one unit of one row
constexpr int kArrivalsApart = 32;                              // counters of groups, in lines of their own

struct PersistentShape {
  int32_t groups;  // 0: not by this kernel
  int32_t blocks;  // of a group
  int32_t rows;    // of a group, a multiple of kProductRows
  int32_t units;   // of a block, a multiple of four
  ProductShape product;
};

// What a block has in shared memory: its columns' weights, the operand, and the warps' sums.
template <typename Product>
__host__ __device__ inline int64_t held_offset(const ProductShape& p) {
  return Product::weight_bytes(p);
}
template <typename Product>
__host__ __device__ inline int64_t sums_offset(const ProductShape& p) {
  return held_offset<Product>(p) + static_cast<int64_t>(p.slices()) * kWarp * sizeof(typename Product::Held);
}
template <typename Product>
int64_t persistent_bytes(const ProductShape& p) {
  return sums_offset<Product>(p) + static_cast<int64_t>(p.sums()) * sizeof(float);
}

// Nanoseconds of a turn, by what is known of an H100, without what all splits have in common, such as the way of a
// count to another block. Arrivals at one address come 5 apart. Eight rows take 400 beside the product, the warps' sums
// and the reading of the operand, at 100 bytes a nanosecond and multiprocessor and 5000 in all, from the second-level
// cache.
template <typename Product>
double turn_nanoseconds(const PersistentShape& p) {
  const double operand = 4. * kProductRows * p.product.depth, sums = 8. * p.product.sums();
  const double read = std::max(operand / 100, operand * p.blocks * p.groups / 5000);
  return 5. * p.blocks + p.rows / kProductRows * (400 + read + Product::nanoseconds(p.product) + sums / kSharedBytes);
}

// The quickest split that fits. All blocks are there at once, as a multiprocessor has room for one of them in any case.
template <typename Run, typename Product>
PersistentShape persistent_shape(const Prepare& prepare, const Sequence& s, Precision precision) {
  PersistentShape best{};
  if (s.units % 4 != 0 || s.steps < 2) return best;
  const int32_t tiles = (s.batch + kProductRows - 1) / kProductRows;
  double least = 0;
  for (int32_t each = 1; each <= std::min(tiles, kGroupRows / kProductRows); each++) {
    for (int32_t units = 4; units <= std::min(kBlockUnits, s.units); units += 4) {
      PersistentShape p{(tiles + each - 1) / each, (s.units + units - 1) / units, each * kProductRows, units, {}};
      p.product = {units * kProducts<Run>, Run::kBackward ? Run::kGates * s.units : s.units, precision};
      const bool fits = int64_t{p.groups} * p.blocks <= prepare.multiprocessors() &&
                        persistent_bytes<Product>(p.product) <= static_cast<int64_t>(prepare.grid_shared_bytes());
      if (!fits || (best.groups > 0 && turn_nanoseconds<Product>(p) >= least)) continue;
      best = p;
      least = turn_nanoseconds<Product>(p);
    }
  }
  return best;
}

// Four terms of a column: forward of a gate of a unit, backward of a unit. Zeros beyond the block's units and the
// depth.
template <typename Run>
__device__ inline Pack<float, 4> weights_of(const Run& run, const PersistentShape& p, int32_t first, int32_t column,
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

template <typename Run, typename Product>
__global__ void __launch_bounds__(kPersistentThreads, 1)
    persistent_kernel(Run run, PersistentShape p, unsigned* arrivals) {
  if constexpr (!Product::kAvailable) {
    trap();
  } else {
    unsigned char* const memory = dynamic_shared<unsigned char>();
    auto* const held = reinterpret_cast<typename Product::Held*>(memory + held_offset<Product>(p.product));
    float* const sums = reinterpret_cast<float*>(memory + sums_offset<Product>(p.product));
    const int32_t group = blockIdx.x / p.blocks, first = blockIdx.x % p.blocks * p.units, begin = group * p.rows;
    const int32_t rows = min(p.rows, run.s.batch - begin);
    const int32_t row = threadIdx.x / p.units, unit = threadIdx.x % p.units;
    const bool has_unit = row < kProductRows && first + unit < run.s.units;
    GroupBarrier barrier(arrivals + group * kArrivalsApart, p.blocks);

    Product::take(
        p.product, [&](int32_t column, int32_t term) { return weights_of(run, p, first, column, term); }, memory);
    typename Run::template Known<1> known{};
    if (has_unit && row < rows) known = run.fetch(0, Units<1>(run.s, begin + row, first + unit));
    __syncthreads();
    for (int turn = 0; turn < run.turns(); turn++) {
      if (turn > 0) barrier.wait();
      const float* const operand = run.operand(turn);
      for (int32_t at = 0; at < rows; at += kProductRows) {
        if (operand != nullptr) {
          hold_operand<Product>(p.product, operand + static_cast<int64_t>(begin + at) * p.product.depth, rows - at,
                                held);
          Product::multiply(p.product, memory, held, sums);
          __syncthreads();
        }
        const Units<1> here(run.s, begin + at + row, first + unit);
        const bool inside = has_unit && at + row < rows;
        typename Run::template Made<1> made{};
        if (inside) {
          Pack<float, 1> z[kProducts<Run>] = {};
          if (operand != nullptr) {
#pragma unroll
            for (int g = 0; g < kProducts<Run>; g++) {
#pragma unroll
              for (int w = 0; w < kPersistentWarps; w++) {
                z[g].v[0] += sums[(w * kProductRows + row) * p.product.sum_stride() + g * p.units + unit];
              }
            }
          }
          made = run.make(turn, here, known, z);
        }
        const bool more_rows = at + kProductRows < rows, more = more_rows || turn + 1 < run.turns();
        if (more_rows) {
          __syncthreads();
        } else if (more) {
          barrier.arrive();
        }
        if (inside) run.store(turn, here, made);
        const int32_t next = more_rows ? at + kProductRows : 0;
        if (more && has_unit && next + row < rows) {
          known = run.fetch(more_rows ? turn : turn + 1, Units<1>(run.s, begin + next + row, first + unit));
        }
      }
    }
  }
}

// The split, and the kernel for it.
template <typename Run>
struct PersistentPlan {
  PersistentShape shape;
  void (*kernel)(Run, PersistentShape, unsigned*);
  int64_t shared_bytes;
};

template <typename Run, typename Product>
PersistentPlan<Run> plan_with(const Prepare& prepare, const Sequence& s, Precision precision) {
  const PersistentShape shape = persistent_shape<Run, Product>(prepare, s, precision);
  return {shape, persistent_kernel<Run, Product>, persistent_bytes<Product>(shape.product)};
}

template <typename Run>
PersistentPlan<Run> persistent_plan(const Prepare& prepare, const Sequence& s, Precision precision) {
  if (!prepare.tensor_cores() || precision == Precision::kFloat32) {
    return plan_with<Run, FmaProduct>(prepare, s, precision);
  }
  if (precision == Precision::kTf32) return plan_with<Run, TensorProduct<Tf32>>(prepare, s, precision);
  return plan_with<Run, TensorProduct<RoundedBfloat16>>(prepare, s, precision);
}

enum class TurnForm { kSteps, kPersistent };

// All turns of a Run.
template <typename Run>
class Turns {
 public:
  Turns(Prepare& prepare, Scratch& scratch, const Sequence& s, Precision precision, TurnForm form) {
    if (form == TurnForm::kPersistent) {
      prepare.be_exclusive();
      plan_ = persistent_plan<Run>(prepare, s, precision);
      GRADSTEP_CUDA(cudaFuncSetAttribute(plan_.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(prepare.grid_shared_bytes())));
      place_ = scratch.array(arrivals());
      return;
    }
    const int64_t wide = static_cast<int64_t>(Run::kGates) * s.units;
    place_ = scratch.array(kProducts<Run> * static_cast<int64_t>(s.batch) * s.units);
    product_ = scratch.product(step_product(s, Run::kBackward ? s.units : wide, Run::kBackward ? wide : s.units,
                                            Run::kBackward, wide, precision));
  }

  void run(cudaStream_t stream, const Scratch& scratch, const Run& run) const {
    float* const z = scratch.at(place_);
    if (!product_) {
      unsigned* const counters = reinterpret_cast<unsigned*>(z);
      GRADSTEP_CUDA(cudaMemsetAsync(counters, 0, static_cast<size_t>(arrivals()) * sizeof *counters, stream));
      launch_at_once(stream, plan_.kernel, blocks_for(plan_.shape.groups * plan_.shape.blocks, 1),
                     dim3(kPersistentThreads), static_cast<size_t>(plan_.shared_bytes), run, plan_.shape, counters);
      return;
    }
    const auto kernel = for_units(run.s, turn_kernel<Run, 1>, turn_kernel<Run, 4>);
    for (int turn = 0; turn < run.turns(); turn++) {
      const float* operand = run.operand(turn);
      if (operand) product_(stream, operand, run.u, nullptr, z, scratch.for_products());
      launch(stream, kernel, unit_blocks(run.s), dim3(kUnitThreads), run, turn, operand ? z : nullptr);
    }
  }

 private:
  int64_t arrivals() const { return int64_t{plan_.shape.groups} * kArrivalsApart; }

  PersistentPlan<Run> plan_{};
  size_t place_;  // of the products or, in one kernel, of the counts of arrivals
  Gemm::Run product_;
};

// The step of an op whose turns are a Run's, in the form that is faster here. While forms are tried the recurrent
// kernel is small, so that what rounding makes of a step fades in those behind it instead of growing.
//   op         its name, and what else the choice may depend on beside sequence and precision
//   prepare_as makes the step in a form
//   results    all of them
template <typename Run>
Step fastest_form(Prepare& prepare, const std::string& op, const Sequence& s, Precision precision, const Tensor& u,
                  const std::function<Step(Prepare&, TurnForm)>& prepare_as, const std::vector<Tensor>& results) {
  std::vector<Way> ways{{"steps", [=](Prepare& p) { return prepare_as(p, TurnForm::kSteps); }}};
  if (persistent_plan<Run>(prepare, s, precision).shape.groups > 0) {
    ways.push_back({"persistent", [=](Prepare& p) { return prepare_as(p, TurnForm::kPersistent); }});
  }
  const std::string what = op + " " + std::to_string(s.batch) + "x" + std::to_string(s.steps) + "x" +
                           std::to_string(s.units) + " " + name_of(precision);
  const double tolerance = precision == Precision::kFloat32 ? 1e-4 : precision == Precision::kTf32 ? 1e-2 : 5e-2;
  return fastest_way(prepare, what, ways, results, tolerance, {{u, 0.5f / std::sqrt(static_cast<float>(s.units))}});
}

}  // namespace gradstep::cuda
