// One block's tile of a matrix product in float32: C[kM x kN] += A·B over [k_begin, k_end), for implicit GEMMs. A block
// of 256 threads keeps kTm x 4 results each in registers; slices of A and B, kDepth deep, go through two shared
// buffers, so that the next slice is on its way while this one is multiplied. Where the elements come from is the
// loaders' affair:
//   fetch(k, k_end)  reads this thread's share of slice [k, k + kDepth) into registers, zeros beyond the edges
//   store(to)        writes it to shared memory as [depth][row of A or column of B], rounded where the precision
//                    says so (there and not when it is read, so that nothing waits for the reading)
#pragma once

#include "cuda/launch.h"
#include "cuda/operand.h"
#include "cuda/pack.h"

namespace gradstep::cuda {

constexpr int kTileThreads = 256;

template <int kM_, int kN_, int kTm_>
struct Tile {
  static constexpr int kM = kM_, kN = kN_, kTm = kTm_;
  static constexpr int kDepth = 16;
  // Rows are padded by 16 bytes, so that columns written side by side fall into different banks.
  static constexpr int kRowA = kM + 4, kRowB = kN + 4;
  static constexpr int kColumns = kN / 4;  // threads along n
  static_assert(kM / kTm * kColumns == kTileThreads && kTm % 4 == 0, "256 threads, groups of four");

  // Row (in the tile) of this thread's result i of 0 … kTm - 1; rows come in groups of four neighbours.
  static __device__ int row(int i) {
    return i / 4 * (kM / (kTm / 4)) + static_cast<int>(threadIdx.x) / kColumns * 4 + i % 4;
  }
  // Column (in the tile) of this thread's first of four neighbouring results.
  static __device__ int column() { return static_cast<int>(threadIdx.x) % kColumns * 4; }
};

// `adds`: on top of what c holds, otherwise in its place. (No template parameter: each instance would have buffers of
// its own.)
template <typename T, typename A, typename B>
__device__ inline void multiply(A& a, B& b, uint32_t k_begin, uint32_t k_end, Pack<float, 4> (&c)[T::kTm],
                                bool adds = false) {
  __shared__ __align__(16) float slice_a[2][T::kDepth][T::kRowA];
  __shared__ __align__(16) float slice_b[2][T::kDepth][T::kRowB];
  if (!adds) {
#pragma unroll
    for (int i = 0; i < T::kTm; i++) c[i] = {};
  }
  a.fetch(k_begin, k_end);
  b.fetch(k_begin, k_end);
  a.store(slice_a[0]);
  b.store(slice_b[0]);
  __syncthreads();
  int current = 0;
  for (uint32_t k = k_begin; k < k_end; k += T::kDepth) {
    const bool more = k + T::kDepth < k_end;
    if (more) {
      a.fetch(k + T::kDepth, k_end);
      b.fetch(k + T::kDepth, k_end);
    }
#pragma unroll
    for (int d = 0; d < T::kDepth; d++) {
      Pack<float, 4> rows[T::kTm / 4];
#pragma unroll
      for (int g = 0; g < T::kTm / 4; g++) rows[g] = load_pack<4>(&slice_a[current][d][T::row(4 * g)]);
      const Pack<float, 4> columns = load_pack<4>(&slice_b[current][d][T::column()]);
#pragma unroll
      for (int i = 0; i < T::kTm; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) c[i].v[j] += rows[i / 4].v[i % 4] * columns.v[j];
      }
    }
    if (more) {
      a.store(slice_a[current ^ 1]);
      b.store(slice_b[current ^ 1]);
    }
    __syncthreads();
    current ^= 1;
  }
}

// B as n columns of a row-major matrix, whose rows are `stride` elements apart; kWidth neighbours along n at a time (n
// and the stride divide by it).
template <typename T, int kWidth>
class MatrixLoader {
 public:
  __device__ MatrixLoader(const float* b, int32_t n, int32_t stride, int32_t n_begin, Precision precision)
      : b_(b), n_(n), stride_(stride), column_(n_begin + threadIdx.x % kAlong * kWidth), precision_(precision) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t depth = pass * kDeep + threadIdx.x / kAlong;
      const bool inside = depth < T::kDepth && k_begin + depth < k_end && column_ < n_;
      values_[pass] = {};
      if (inside) values_[pass] = load_pack<kWidth>(b_ + static_cast<int64_t>(k_begin + depth) * stride_ + column_);
    }
  }

  __device__ void store(float (&to)[T::kDepth][T::kRowB]) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t depth = pass * kDeep + threadIdx.x / kAlong;
      if (depth < T::kDepth) store_pack(&to[depth][threadIdx.x % kAlong * kWidth], operand(values_[pass], precision_));
    }
  }

 private:
  static constexpr int kAlong = T::kN / kWidth;        // threads along n
  static constexpr int kDeep = kTileThreads / kAlong;  // rows a pass
  static constexpr int kPasses = (T::kDepth + kDeep - 1) / kDeep;
  const float* b_;
  int32_t n_, stride_, column_;
  Precision precision_;
  Pack<float, kWidth> values_[kPasses];
};

// Writes four neighbouring results of a row of n from column `at` on, those inside it; adds where asked. Rows begin at
// multiples of 16 bytes where n divides by four.
__device__ inline void write_four(float* row, int32_t at, int32_t n, Pack<float, 4> values, bool accumulate) {
  if (n % 4 == 0 && at < n) {
    if (accumulate) {
      const Pack<float, 4> old = load_pack<4>(row + at);
#pragma unroll
      for (int j = 0; j < 4; j++) values.v[j] += old.v[j];
    }
    store_pack(row + at, values);
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (at + j < n) row[at + j] = accumulate ? row[at + j] + values.v[j] : values.v[j];
  }
}

}  // namespace gradstep::cuda
