// The product of one turn of a recurrence in one kernel (turn_loop.cuh): eight rows of an operand that other blocks
// wrote, and the columns of the recurrent kernel that the block keeps in shared memory, rounded where operands
// are. Terms go to warps in slices of 16, one after another, so that each warp reads its part of the operand by itself
// and waits for no other; what the warps' sums come to lies in shared memory [warp][row][column], and is added up there
// in the order of warps.
//
// A lane of a warp takes four neighbouring terms of a row, 4t … 4t + 3 of row g of a slice (g = lane / 4, t = lane %
// 4): 16 bytes of the operand and, on tensor cores, just what it brings to their products (cuda/ptx.cuh), if terms
// change places. Columns bring theirs in the same places, so sums have the same terms.
#pragma once

#include <algorithm>
#include <cstring>

#include "cuda/operand.h"
#include "cuda/reduce.h"
#include "cuda/tensor_tile.cuh"

namespace gradstep::cuda {

constexpr int kPersistentThreads = 256;
constexpr int kPersistentWarps = kPersistentThreads / kWarp;
constexpr int kProductRows = 8;
constexpr int kSliceTerms = 16;
constexpr int kQuads = kSliceTerms / 4;
constexpr double kSharedBytes = 220;  // that a multiprocessor of an H100 reads or writes in a nanosecond

// Of a product: what it multiplies, and where that lies in a block's shared memory.
struct ProductShape {
  int32_t columns, depth;
  Precision precision;  // of operands

  // Of each warp; beyond the depth they are zeros.
  __host__ __device__ int32_t slices_of_warp() const {
    constexpr int kRound = kPersistentWarps * kSliceTerms;
    return (depth + kRound - 1) / kRound;
  }
  __host__ __device__ int32_t slices() const { return slices_of_warp() * kPersistentWarps; }
  // What lanes bring of an operand, four terms each: held[slice][lane]; see held_at().
  __host__ __device__ int32_t held() const { return slices() * kWarp; }
  // Floats between rows of sums: a warp writes four rows of eight columns at a time to different banks.
  __host__ __device__ int32_t sum_stride() const { return (columns + 15) / 16 * 16 + 4; }
  __host__ __device__ int32_t sums() const { return kPersistentWarps * kProductRows * sum_stride(); }
};

// Where four terms of one of the eight rows are held.
__device__ inline int32_t held_at(int32_t row, int32_t term) {
  return term / kSliceTerms * kWarp + row * kQuads + term % kSliceTerms / 4;
}

// On FMA units: a lane has a column, or two, of all rows; where there are fewer than 32 columns, lanes share them.
struct FmaProduct {
  using Held = Pack<float, 4>;  // what a lane brings of a slice of the operand
  static constexpr bool kAvailable = true;

  static __host__ __device__ int64_t weight_bytes(const ProductShape& p) {
    return static_cast<int64_t>(p.slices()) * kQuads * p.columns * sizeof(Held);
  }

  // weights[slice][quad][column]. `source(column, term)`: four terms.
  template <typename Source>
  static __device__ void take(const ProductShape& p, const Source& source, void* weights) {
    for (int32_t i = threadIdx.x; i < p.slices() * kQuads * p.columns; i += kPersistentThreads) {
      static_cast<Held*>(weights)[i] = operand(source(i % p.columns, i / p.columns * 4), p.precision);
    }
  }

  // On an H100: 220 terms in one, or 150 where a lane has one column and waits for shared memory.
  static double nanoseconds(const ProductShape& p) {
    const bool two = p.columns > kWarp;
    const int32_t columns = two ? (p.columns + 2 * kWarp - 1) / (2 * kWarp) * 2 * kWarp : team(p.columns);
    return double{kProductRows} * columns * p.depth / (two ? 220 : 150);
  }

  static __device__ Held hold(const Pack<float, 4>& terms, Precision precision) { return operand(terms, precision); }

  // `held`: of which the warp uses what its own lanes wrote, or what came before a barrier.
  static __device__ void multiply(const ProductShape& p, const void* weights, const Held* held, float* sums) {
    __syncwarp();
    if (p.columns > kWarp) {
      for (int32_t first = 0; first < p.columns; first += 2 * kWarp) {
        multiply_columns<2>(p, static_cast<const Held*>(weights), held, first, sums);
      }
    } else {
      multiply_columns<1>(p, static_cast<const Held*>(weights), held, 0, sums);
    }
  }

 private:
  // Lanes that have different columns.
  static __host__ __device__ int32_t team(int32_t columns) {
    int32_t lanes = kWarp;
    while (lanes > kWarp / kQuads && lanes / 2 >= columns) lanes /= 2;
    return lanes;
  }

  template <int kColumns>
  static __device__ void multiply_columns(const ProductShape& p, const Held* weights, const Held* held, int32_t first,
                                          float* sums) {
    const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarp, warp = static_cast<int32_t>(threadIdx.x) / kWarp;
    const int32_t team = FmaProduct::team(p.columns), share = lane / team, shares = kWarp / team;
    int32_t column[kColumns];
    float total[kColumns][kProductRows] = {};
#pragma unroll
    for (int c = 0; c < kColumns; c++) column[c] = first + c * kWarp + lane % team;
    for (int32_t i = 0; i < p.slices_of_warp(); i++) {
      const int32_t slice = i * kPersistentWarps + warp;
#pragma unroll 2
      for (int32_t quad = share; quad < kQuads; quad += shares) {
        Held w[kColumns];
#pragma unroll
        for (int c = 0; c < kColumns; c++) {
          // A column beyond the last is read as the last, and its sums are not kept.
          w[c] = weights[(slice * kQuads + quad) * p.columns + min(column[c], p.columns - 1)];
        }
#pragma unroll
        for (int r = 0; r < kProductRows; r++) {
          const Held x = held[slice * kWarp + r * kQuads + quad];
#pragma unroll
          for (int c = 0; c < kColumns; c++) {
            total[c][r] += x.v[0] * w[c].v[0] + x.v[1] * w[c].v[1] + x.v[2] * w[c].v[2] + x.v[3] * w[c].v[3];
          }
        }
      }
    }
#pragma unroll
    for (int c = 0; c < kColumns; c++) {
#pragma unroll
      for (int r = 0; r < kProductRows; r++) {
        for (int32_t distance = team; distance < kWarp; distance *= 2) {
          total[c][r] += __shfl_xor_sync(kAllLanes, total[c][r], distance);
        }
        if (share == 0 && column[c] < p.columns) {
          sums[(warp * kProductRows + r) * p.sum_stride() + column[c]] = total[c][r];
        }
      }
    }
  }
};

// On tensor cores: columns are rows of their first operand, 16 at a time; rows of ours are columns of the second.
template <typename Type>
struct TensorProduct {
  static constexpr bool kAvailable = kHasTensorCores;
  static constexpr int kProductsOfSlice = kSliceTerms * static_cast<int>(sizeof(typename Type::Element)) / 32;
  struct alignas(8 * kProductsOfSlice) Held {
    uint32_t b[kProductsOfSlice][2];
  };
  struct alignas(16) Weights {
    uint32_t a[4];
  };

  static __host__ __device__ int32_t tiles(const ProductShape& p) { return (p.columns + 15) / 16; }
  static __host__ __device__ int64_t weight_bytes(const ProductShape& p) {
    return static_cast<int64_t>(p.slices()) * tiles(p) * kProductsOfSlice * kWarp * sizeof(Weights);
  }

  // On an H100: as long as reading from shared memory takes.
  static double nanoseconds(const ProductShape& p) { return static_cast<double>(weight_bytes(p)) / kSharedBytes; }

  // weights[tile][slice][product][lane].
  template <typename Source>
  static __device__ void take(const ProductShape& p, const Source& source, void* weights) {
    for (int32_t i = threadIdx.x; i < tiles(p) * p.slices() * kWarp; i += kPersistentThreads) {
      const int32_t lane = i % kWarp, slice = i / kWarp % p.slices(), tile = i / kWarp / p.slices();
      const int32_t column = tile * 16 + lane / 4, term = slice * kSliceTerms + lane % 4 * 4;
      const Held upper = hold(source(column, term), p.precision), lower = hold(source(column + 8, term), p.precision);
#pragma unroll
      for (int m = 0; m < kProductsOfSlice; m++) {
        static_cast<Weights*>(weights)[(i / kWarp * kProductsOfSlice + m) * kWarp + lane] = {
            {upper.b[m][0], lower.b[m][0], upper.b[m][1], lower.b[m][1]}};
      }
    }
  }

  static __device__ Held hold(const Pack<float, 4>& terms, Precision) {
    const auto rounded = Type::rounded(terms);
    Held held;
    static_assert(sizeof held == sizeof rounded, "four terms");
    memcpy(&held, &rounded, sizeof held);
    return held;
  }

  // Two sums that take turns, as a product takes several times as long as what comes between two of them.
  static __device__ void multiply(const ProductShape& p, const void* weights, const Held* held, float* sums) {
    const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarp, warp = static_cast<int32_t>(threadIdx.x) / kWarp;
    const int32_t slices = p.slices_of_warp(), apart = kPersistentWarps * kWarp;
    const Held* const x = held + warp * kWarp + lane;
    float* const to = sums + (warp * kProductRows + lane % 4 * 2) * p.sum_stride() + lane / 4;
    for (int32_t tile = 0; tile < tiles(p); tile++) {
      const Weights* const w =
          static_cast<const Weights*>(weights) + (tile * p.slices() + warp) * kProductsOfSlice * kWarp + lane;
      float upper[2][2] = {}, lower[2][2] = {};
#pragma unroll 2
      for (int32_t i = 0; i + 1 < slices; i += 2) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          accumulate(w + (i + e) * apart * kProductsOfSlice, x[(i + e) * apart], upper[e], lower[e]);
        }
      }
      if (slices % 2 != 0) {
        accumulate(w + (slices - 1) * apart * kProductsOfSlice, x[(slices - 1) * apart], upper[0], lower[0]);
      }
#pragma unroll
      for (int r = 0; r < 2; r++) {
        to[r * p.sum_stride() + tile * 16] = upper[0][r] + upper[1][r];
        to[r * p.sum_stride() + tile * 16 + 8] = lower[0][r] + lower[1][r];
      }
    }
  }

 private:
  static __device__ void accumulate(const Weights* w, const Held& x, float (&upper)[2], float (&lower)[2]) {
#pragma unroll
    for (int m = 0; m < kProductsOfSlice; m++) Type::mma(upper, lower, w[m * kWarp].a, x.b[m][0], x.b[m][1]);
  }
};

// The warp's slices of `rows` rows of the operand, and zeros where there are none.
template <typename Product>
__device__ inline void hold_operand(const ProductShape& p, const float* operand, int32_t rows,
                                    typename Product::Held* held) {
  constexpr int kUnderWay = 8;  // loads
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarp, warp = static_cast<int32_t>(threadIdx.x) / kWarp;
  const float* const row = operand + static_cast<int64_t>(lane / kQuads) * p.depth;
  for (int32_t first = 0; first < p.slices_of_warp(); first += kUnderWay) {
    float4 terms[kUnderWay];
#pragma unroll
    for (int j = 0; j < kUnderWay; j++) {
      const int32_t term = ((first + j) * kPersistentWarps + warp) * kSliceTerms + lane % kQuads * 4;
      terms[j] = make_float4(0.f, 0.f, 0.f, 0.f);
      if (term < p.depth && lane / kQuads < rows) terms[j] = __ldcg(reinterpret_cast<const float4*>(row + term));
    }
#pragma unroll
    for (int j = 0; j < kUnderWay; j++) {
      if (first + j >= p.slices_of_warp()) break;
      const Pack<float, 4> pack{{terms[j].x, terms[j].y, terms[j].z, terms[j].w}};
      held[((first + j) * kPersistentWarps + warp) * kWarp + lane] = Product::hold(pack, p.precision);
    }
  }
}

}  // namespace gradstep::cuda
