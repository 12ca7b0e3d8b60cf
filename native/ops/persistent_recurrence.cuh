// All turns of a recurrence (recurrence.cuh) in one kernel whose blocks wait for one another after each (Diamos et al.
// 2016): a block keeps the recurrent kernel's columns of some units in its shared memory for the whole sequence, and
// per turn reads only what the other blocks made of the turn before. Nobody has measured it yet, so it is chosen only
// where GRADSTEP_CUDA_RECURRENCE=persistent asks for it; it takes at most 64 rows (more of them keep a library's
// product busy), units that divide by four, at least two steps, and columns that fit the shared memory of as many
// blocks as the device has multiprocessors, beside four rows of operands.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cuda/grid_barrier.h"
#include "cuda/operand.h"
#include "cuda/reduce.h"
#include "cuda/vec.h"
#include "ops/recurrence.cuh"

namespace gradstep::cuda {

constexpr int kPersistentThreads = 256;
constexpr int kPersistentBatch = 64;
constexpr int kTileRows = 4;  // rows that a tile's threads multiply at a time
constexpr int kTileTeam = 8;  // threads of a tile: each takes every eighth pack of four terms

struct PersistentShape {
  int32_t blocks;  // 0: not by this kernel
  int32_t units;   // of a block, a multiple of four
  int32_t depth;   // terms of a product, a multiple of four
  int32_t rows;    // of operands in shared memory, a multiple of kTileRows
  Precision precision;

  // Rows in shared memory are padded, so that neighbours begin in different banks.
  __host__ __device__ int32_t row_floats() const { return depth + 4; }
};

template <typename Run>
constexpr int32_t persistent_floats(const PersistentShape& p) {
  return (p.units * kProducts<Run> + p.rows) * p.row_floats();
}

template <typename Run>
PersistentShape persistent_shape(const Prepare& prepare, const Sequence& s, Precision precision) {
  PersistentShape p{};
  const char* wanted = getenv("GRADSTEP_CUDA_RECURRENCE");
  if (wanted == nullptr || strcmp(wanted, "persistent") != 0) return p;
  if (s.batch > kPersistentBatch || s.units % 4 != 0 || s.steps < 2 || prepare.multiprocessors() < 1) return p;
  const int32_t each = (s.units + prepare.multiprocessors() - 1) / prepare.multiprocessors();
  p.units = (each + 3) / 4 * 4;
  p.depth = Run::kBackward ? Run::kGates * s.units : s.units;
  p.precision = precision;
  const int64_t fits = static_cast<int64_t>(prepare.grid_shared_bytes() / sizeof(float)) / p.row_floats();
  const int64_t left = (fits - p.units * kProducts<Run>) / kTileRows * kTileRows;
  p.rows = static_cast<int32_t>(std::min<int64_t>(left, (s.batch + kTileRows - 1) / kTileRows * kTileRows));
  if (left >= kTileRows) p.blocks = (s.units + p.units - 1) / p.units;
  return p;
}

// weights[unit][product][term], of the block's units.
template <typename Run>
__device__ inline void take_weights(const Run& run, const PersistentShape& p, int32_t first, int32_t units,
                                    float* weights) {
  const int64_t row = static_cast<int64_t>(Run::kGates) * run.s.units;
  for (int32_t i = threadIdx.x; i < units * kProducts<Run> * p.depth; i += kPersistentThreads) {
    int32_t unit, product, term;
    float w;
    if constexpr (Run::kBackward) {
      unit = i / p.depth;
      product = 0;
      term = i % p.depth;
      w = run.u[(first + unit) * row + term];
    } else {
      unit = i % units;
      product = i / units % kProducts<Run>;
      term = i / units / kProducts<Run>;
      w = run.u[term * row + product * run.s.units + first + unit];
    }
    weights[(unit * kProducts<Run> + product) * p.row_floats() + term] = operand(w, p.precision);
  }
}

// `rows` rows of an operand that other blocks wrote, and zeros up to a whole number of tiles.
__device__ inline void take_rows(const PersistentShape& p, const float* from, int32_t rows, float* to) {
  const int32_t packs = p.depth / 4, all = (rows + kTileRows - 1) / kTileRows * kTileRows;
  for (int32_t i = threadIdx.x; i < all * packs; i += kPersistentThreads) {
    const int32_t row = i / packs, at = i % packs * 4;
    float4 v = make_float4(0.f, 0.f, 0.f, 0.f);
    if (row < rows) v = __ldcg(reinterpret_cast<const float4*>(from + static_cast<int64_t>(row) * p.depth + at));
    v = make_float4(operand(v.x, p.precision), operand(v.y, p.precision), operand(v.z, p.precision),
                    operand(v.w, p.precision));
    store4(to + row * p.row_floats() + at, v);
  }
}

// Products of kTileRows rows with a unit's weights; all threads of the tile get all of them, and all of a warp must
// call.
template <int kCount>
__device__ inline void tile_products(const PersistentShape& p, const float* rows, const float* weights,
                                     float (&sums)[kTileRows][kCount]) {
  const int32_t row = p.row_floats();
#pragma unroll
  for (int r = 0; r < kTileRows; r++) {
#pragma unroll
    for (int g = 0; g < kCount; g++) sums[r][g] = 0.f;
  }
  for (int32_t k = static_cast<int32_t>(threadIdx.x) % kTileTeam * 4; k < p.depth; k += kTileTeam * 4) {
    float4 w[kCount];
#pragma unroll
    for (int g = 0; g < kCount; g++) w[g] = load4(weights + g * row + k);
#pragma unroll
    for (int r = 0; r < kTileRows; r++) {
      const float4 x = load4(rows + r * row + k);
#pragma unroll
      for (int g = 0; g < kCount; g++) sums[r][g] += x.x * w[g].x + x.y * w[g].y + x.z * w[g].z + x.w * w[g].w;
    }
  }
#pragma unroll
  for (int distance = kTileTeam / 2; distance > 0; distance /= 2) {
#pragma unroll
    for (int r = 0; r < kTileRows; r++) {
#pragma unroll
      for (int g = 0; g < kCount; g++) sums[r][g] += __shfl_xor_sync(kAllLanes, sums[r][g], distance);
    }
  }
}

template <typename Run>
__global__ void __launch_bounds__(kPersistentThreads, 1)
    persistent_kernel(Run run, PersistentShape p, unsigned* arrivals) {
  constexpr int kCount = kProducts<Run>, kTilesOfWarp = kWarp / kTileTeam;
  float* const weights = dynamic_shared<float>();
  float* const rows = weights + p.units * kCount * p.row_floats();
  const int32_t first = blockIdx.x * p.units, units = min(p.units, run.s.units - first);
  const int32_t member = threadIdx.x % kTileTeam, lane_tile = threadIdx.x % kWarp / kTileTeam;
  take_weights(run, p, first, units, weights);
  for (int turn = 0; turn < run.turns(); turn++) {
    if (turn > 0) grid_barrier(arrivals, turn);
    const float* const operand = run.operand(turn);
    for (int32_t begin = 0; begin < run.s.batch; begin += p.rows) {
      const int32_t here = min(p.rows, run.s.batch - begin);
      if (operand != nullptr) {
        __syncthreads();
        take_rows(p, operand + static_cast<int64_t>(begin) * p.depth, here, rows);
        __syncthreads();
      }
      const int32_t tiles = (here + kTileRows - 1) / kTileRows * units;
      for (int32_t of_warp = static_cast<int32_t>(threadIdx.x) / kWarp * kTilesOfWarp; of_warp < tiles;
           of_warp += kPersistentThreads / kTileTeam) {
        const int32_t tile = min(of_warp + lane_tile, tiles - 1);
        const int32_t unit = tile % units, row = tile / units * kTileRows;
        float sums[kTileRows][kCount] = {};
        if (operand != nullptr) {
          tile_products(p, rows + row * p.row_floats(), weights + unit * kCount * p.row_floats(), sums);
        }
        // One thread of the tile a row.
        Pack<float, 1> z[kCount];
#pragma unroll
        for (int g = 0; g < kCount; g++) {
          z[g].v[0] = sums[0][g];
#pragma unroll
          for (int r = 1; r < kTileRows; r++) z[g].v[0] = member == r ? sums[r][g] : z[g].v[0];
        }
        if (of_warp + lane_tile < tiles && member < kTileRows && row + member < here) {
          run.finish(turn, Units<1>(run.s, begin + row + member, first + unit), z);
        }
      }
    }
  }
}

// How the turns of a Run are made; decided when its step is prepared.
template <typename Run>
class Turns {
 public:
  Turns(Prepare& prepare, Scratch& scratch, const Sequence& s, Precision precision)
      : shape_(persistent_shape<Run>(prepare, s, precision)) {
    if (shape_.blocks > 0) {
      prepare.be_exclusive();
      GRADSTEP_CUDA(cudaFuncSetAttribute(persistent_kernel<Run>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(shared_bytes())));
      place_ = scratch.array(1);
      return;
    }
    const int64_t wide = static_cast<int64_t>(Run::kGates) * s.units;
    place_ = scratch.array(kProducts<Run> * static_cast<int64_t>(s.batch) * s.units);
    product_ = scratch.product(step_product(s, Run::kBackward ? s.units : wide, Run::kBackward ? wide : s.units,
                                            Run::kBackward, wide, precision));
  }

  void run(cudaStream_t stream, const Scratch& scratch, const Run& run) const {
    float* const z = scratch.at(place_);
    if (shape_.blocks > 0) {
      unsigned* const arrivals = reinterpret_cast<unsigned*>(z);
      GRADSTEP_CUDA(cudaMemsetAsync(arrivals, 0, sizeof *arrivals, stream));
      launch_at_once(stream, persistent_kernel<Run>, blocks_for(shape_.blocks, 1), dim3(kPersistentThreads),
                     shared_bytes(), run, shape_, arrivals);
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
  size_t shared_bytes() const { return persistent_floats<Run>(shape_) * sizeof(float); }

  PersistentShape shape_;
  size_t place_;  // of the products or, in one kernel, of the count of arrivals
  Gemm::Run product_;
};

}  // namespace gradstep::cuda
