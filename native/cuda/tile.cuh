// One block's tile of a matrix product: C[kM x kN] += A·B over [k_begin, k_end), for implicit GEMMs. The results stay
// in the registers of 256 threads; slices of A and B, kDepth deep, go through two shared buffers, so that the next
// slice is on its way while this one is multiplied. Where the elements come from is the loaders' affair:
//   fetch(k, k_end)  reads this thread's share of slice [k, k + kDepth) into registers, zeros beyond the edges
//   store(to)        writes it to shared memory, rounded where operands are (there and not when it is read, so that
//                    nothing waits for the reading)
//   kCopies, copy(buffer, to, k, k_end)  whether nothing is to be rounded, so that it may go straight to shared memory,
//                    several slices ahead; and that, into buffers that take turns
// How it is multiplied is the tile's: here on FMA units, in float32; on tensor cores: cuda/tensor_tile.cuh. A tile says
//   Stored, kWide                       what operands are read as, and how many at a time at most
//   Slice, put_along_k, put_along_rows  how a slice lies in shared memory; neighbours that a loader writes to it
//   accumulate                          adds a slice's products
//   kCycles                             what a slice takes a multiprocessor, about; it is compared only
//   kTurns                              slices that are multiplied in a turn of the loop: 1 or 2
//   kRows, kRuns, kRun, row, column     a thread's results: kRuns runs of kRun neighbours in each of kRows rows
//   kQuads, quad, quad_column           the same as kQuads runs of four neighbours; a warp's threads ask together
#pragma once

#include <type_traits>

#include "cuda/launch.h"
#include "cuda/operand.h"
#include "cuda/pack.h"
#include "cuda/ptx.cuh"

namespace gradstep::cuda {

constexpr int kTileThreads = 256;

// A thread has kTm rows of four results.
template <int kM_, int kN_, int kTm_>
struct Tile {
  using Stored = float;
  static constexpr int kWide = 4;
  static constexpr int kM = kM_, kN = kN_, kTm = kTm_;
  static constexpr int kDepth = 16;
  static constexpr int kRows = kTm, kRuns = 1, kRun = 4;
  static constexpr int kTurns = 1;  // products are nearly all of a turn
  // Instructions, four a cycle: products, and by the machine code what goes with a row and with a slice.
  static constexpr int kCycles = kM * kN * kDepth / 128 + (kM + kN) * 3 / 4 + 150;
  static constexpr bool kAvailable = true;
  // Rows are padded by 16 bytes, so that columns written side by side fall into different banks.
  static constexpr int kRowA = kM + 4, kRowB = kN + 4;
  static constexpr int kColumns = kN / 4;  // threads along n
  static_assert(kM / kTm * kColumns == kTileThreads && kTm % 4 == 0, "256 threads, groups of four");

  // [depth][row of A or column of B].
  template <int kSide, typename Loader>
  using Slice = float[kDepth][kSide + 4];
  using Results = Pack<float, kRun>[kRows * kRuns];

  // Row (in the tile) of this thread's result i of 0 … kTm - 1; rows come in groups of four neighbours.
  static __device__ int row(int i) {
    return i / 4 * (kM / (kTm / 4)) + static_cast<int>(threadIdx.x) / kColumns * 4 + i % 4;
  }
  // Column (in the tile) of this thread's first of four neighbouring results.
  static __device__ int column(int = 0) { return static_cast<int>(threadIdx.x) % kColumns * 4; }

  static constexpr int kQuads = 1;
  static __device__ Pack<float, 4> quad(const Results& c, int i, int) { return c[i]; }
  static __device__ int quad_column(int) { return column(); }

  template <int kWidth, int kRow>
  static __device__ void put_along_k(float (&to)[kDepth][kRow], int row, int k, Pack<float, kWidth> values,
                                     Precision precision) {
    values = operand(values, precision);
#pragma unroll
    for (int e = 0; e < kWidth; e++) to[k + e][row] = values.v[e];
  }
  template <int kWidth, int kRow>
  static __device__ void put_along_rows(float (&to)[kDepth][kRow], int row, int k, Pack<float, kWidth> values,
                                        Precision precision) {
    store_pack(&to[k][row], operand(values, precision));
  }

  static __device__ void accumulate(const float (&a)[kDepth][kRowA], const float (&b)[kDepth][kRowB], Results& c) {
#pragma unroll
    for (int d = 0; d < kDepth; d++) {
      Pack<float, 4> rows[kTm / 4];
#pragma unroll
      for (int g = 0; g < kTm / 4; g++) rows[g] = load_pack<4>(&a[d][row(4 * g)]);
      const Pack<float, 4> columns = load_pack<4>(&b[d][column()]);
#pragma unroll
      for (int i = 0; i < kTm; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) c[i].v[j] += rows[i / 4].v[i % 4] * columns.v[j];
      }
    }
  }
};

// c += A·B.
template <typename T, typename SliceA, typename SliceB, typename A, typename B>
__device__ inline void multiply(SliceA (&slice_a)[2], SliceB (&slice_b)[2], A& a, B& b, uint32_t k_begin,
                                uint32_t k_end, typename T::Results& c) {
  a.fetch(k_begin, k_end);
  b.fetch(k_begin, k_end);
  a.store(slice_a[0]);
  b.store(slice_b[0]);
  __syncthreads();
  int buffer = 0;
  for (uint32_t k = k_begin; k < k_end;) {
    // Where both turns are written out, which buffer it is stands in the instructions and not in registers.
#pragma unroll
    for (int turn = 0; turn < T::kTurns; turn++) {
      const int current = T::kTurns == 2 ? turn : buffer;
      const uint32_t next = k + T::kDepth;
      const bool more = next < k_end;
      if (more) {
        a.fetch(next, k_end);
        b.fetch(next, k_end);
      }
      T::accumulate(slice_a[current], slice_b[current], c);
      if (more) {
        a.store(slice_a[current ^ 1]);
        b.store(slice_b[current ^ 1]);
      }
      __syncthreads();
      buffer ^= 1;
      k = next;
      if (!more) break;
    }
  }
}

// c += A·B, where slices are copied straight to shared memory: as many as there are buffers for, less the one that is
// multiplied, are on their way.
template <typename T, typename SliceA, typename SliceB, typename A, typename B>
__device__ inline void multiply_copied(SliceA (&slice_a)[T::kStages], SliceB (&slice_b)[T::kStages], A& a, B& b,
                                       uint32_t k_begin, uint32_t k_end, typename T::Results& c) {
  constexpr int kAhead = T::kStages - 1;
  uint32_t next = k_begin;
  const auto copy = [&](int buffer) {
    if (next < k_end) {
      a.copy(buffer, slice_a[buffer], next, k_end);
      b.copy(buffer, slice_b[buffer], next, k_end);
    }
    commit_copies();
    next += T::kDepth;
  };
#pragma unroll
  for (int i = 0; i < kAhead; i++) {
    if (i > 0) __syncthreads();  // for what loaders share
    copy(i);
  }
  for (uint32_t k = k_begin; k < k_end;) {
    // All turns are written out, so that which buffer it is stands in the instructions.
#pragma unroll
    for (int turn = 0; turn < T::kStages; turn++) {
      await_copies<kAhead - 1>();
      __syncthreads();
      copy((turn + kAhead) % T::kStages);
      T::accumulate(slice_a[turn], slice_b[turn], c);
      k += T::kDepth;
      if (k >= k_end) break;
    }
  }
}

// c = A·B.
template <typename T, typename A, typename B>
__device__ inline void multiply(A& a, B& b, uint32_t k_begin, uint32_t k_end, typename T::Results& c) {
#pragma unroll
  for (int i = 0; i < T::kRows * T::kRuns; i++) c[i] = {};
  if constexpr (A::kCopies && B::kCopies) {
    __shared__ __align__(16) typename T::template Slice<T::kM, A> slice_a[T::kStages];
    __shared__ __align__(16) typename T::template Slice<T::kN, B> slice_b[T::kStages];
    multiply_copied<T>(slice_a, slice_b, a, b, k_begin, k_end, c);
  } else {
    __shared__ __align__(16) typename T::template Slice<T::kM, A> slice_a[2];
    __shared__ __align__(16) typename T::template Slice<T::kN, B> slice_b[2];
    multiply<T>(slice_a, slice_b, a, b, k_begin, k_end, c);
  }
}

// kWidth neighbours from `from[at]` on; zeros where they are not wanted. The address is 32 bits beside a pointer that
// all threads have in common, and there is no branch: one instruction more than the reading itself.
template <int kWidth, typename S>
__device__ inline Pack<S, kWidth> load_if(bool wanted, const S* from, uint32_t at) {
  Pack<S, kWidth> values{};
  const S* const place = from + at;
  if (wanted) values = load_pack<kWidth>(place);
  return values;
}

// The same, straight to shared memory.
template <int kWidth, typename S>
__device__ inline void copy_if(bool wanted, S* to, const S* from, uint32_t at) {
  copy_async<kWidth* static_cast<int>(sizeof(S))>(to, from + at, wanted);
}

// Whether a loader of so many neighbours copies: four bytes is the least.
template <typename T, int kWidth>
constexpr bool kCanCopy = kWidth > 1 && !std::is_same_v<typename T::Stored, float>;

// B as n columns, from `first` on, of a row-major matrix of fewer than 2^31 elements, whose rows are `stride` elements
// apart; kWidth neighbours along n at a time (n, `first` and the stride divide by it).
template <typename T, int kWidth>
class MatrixLoader {
 public:
  using S = typename T::Stored;
  static constexpr bool kAlongK = false;
  static constexpr bool kCopies = kCanCopy<T, kWidth>;

  __device__ MatrixLoader(const S* b, uint32_t first, int32_t n, int32_t stride, int32_t n_begin, Precision precision)
      : b_(b), stride_(static_cast<uint32_t>(stride)), depth_(threadIdx.x / kAlong), precision_(precision) {
    const int32_t column = n_begin + static_cast<int32_t>(threadIdx.x % kAlong) * kWidth;
    begin_ = depth_ * stride_ + first + static_cast<uint32_t>(column);
    if (column >= n || depth_ >= T::kDepth) depth_ = kNowhere;
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    visit(k_begin, k_end, [&](int pass, bool inside, uint32_t at) { values_[pass] = load_if<kWidth>(inside, b_, at); });
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
    const uint32_t depth = threadIdx.x / kAlong;
    if (kDeep > T::kDepth && depth >= T::kDepth) return;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      T::put_along_rows(to, threadIdx.x % kAlong * kWidth, pass * kDeep + depth, values_[pass], precision_);
    }
  }

  template <typename Slice>
  __device__ void copy(int, Slice& to, uint32_t k_begin, uint32_t k_end) const {
    const uint32_t depth = threadIdx.x / kAlong;
    if (kDeep > T::kDepth && depth >= T::kDepth) return;
    visit(k_begin, k_end, [&](int pass, bool inside, uint32_t at) {
      copy_if<kWidth>(inside, to.at(pass * kDeep + depth, threadIdx.x % kAlong * kWidth), b_, at);
    });
  }

 private:
  static constexpr int kAlong = T::kN / kWidth;        // threads along n
  static constexpr int kDeep = kTileThreads / kAlong;  // rows a pass
  static constexpr int kPasses = (T::kDepth + kDeep - 1) / kDeep;
  static_assert(kDeep >= T::kDepth || T::kDepth % kDeep == 0, "whole passes");
  static constexpr uint32_t kNowhere = 1u << 31;  // beyond every k

  // Calls use(pass, whether there is something, where) for this thread's share of a slice.
  template <typename Use>
  __device__ void visit(uint32_t k_begin, uint32_t k_end, Use use) const {
    const uint32_t begin = begin_ + k_begin * stride_;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      use(pass, k_begin + depth_ + pass * kDeep < k_end, begin + pass * kDeep * stride_);
    }
  }

  const S* b_;
  uint32_t stride_, depth_, begin_;
  Precision precision_;
  Pack<S, kWidth> values_[kPasses];
};

// Writes neighbouring results of a row of n from column `at` on, those inside it; adds where asked. Rows begin at
// multiples of their size where n divides by kRun.
template <int kRun>
__device__ inline void write_run(float* row, int32_t at, int32_t n, Pack<float, kRun> values, bool accumulate) {
  if (n % kRun == 0 && at < n) {
    if (accumulate) {
      const Pack<float, kRun> old = load_pack<kRun>(row + at);
#pragma unroll
      for (int j = 0; j < kRun; j++) values.v[j] += old.v[j];
    }
    store_pack(row + at, values);
    return;
  }
#pragma unroll
  for (int j = 0; j < kRun; j++) {
    if (at + j < n) row[at + j] = accumulate ? row[at + j] + values.v[j] : values.v[j];
  }
}

}  // namespace gradstep::cuda
