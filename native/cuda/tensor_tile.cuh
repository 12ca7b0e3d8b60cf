// A tile of a matrix product (cuda/tile.cuh) on tensor cores: operands are rounded to bfloat16 or TF32 when they go to
// shared memory, or stored in bfloat16 and copied; results are float32. Each of eight warps multiplies its part of the
// tile, 32 bytes of k at a time (cuda/ptx.cuh). A slice lies in shared memory as its loader reads it, so that
// neighbours stay neighbours: [row][k] where the loader reads along k, else [k][row].
#pragma once

#include <cstring>

#include "cuda/bfloat16.h"
#include "cuda/pack.h"
#include "cuda/ptx.cuh"
#include "cuda/reduce.h"
#include "cuda/tile.cuh"

namespace gradstep::cuda {

// What operands are rounded to. Stored: as what they are read; Element: as what they lie in shared memory.
struct RoundedBfloat16 {
  using Stored = float;
  using Element = Bfloat16;

  template <int kWidth>
  static __device__ Pack<Element, kWidth> rounded(Pack<float, kWidth> x) {
    static_assert(kWidth == 1 || kWidth % 2 == 0, "one, or pairs");
    Pack<Element, kWidth> result;
    if constexpr (kWidth == 1) {
      result.v[0] = {static_cast<uint16_t>(round_to_bfloat16s(x.v[0], 0.f))};
    } else {
      uint32_t pairs[kWidth / 2];
#pragma unroll
      for (int i = 0; i < kWidth / 2; i++) pairs[i] = round_to_bfloat16s(x.v[2 * i], x.v[2 * i + 1]);
      memcpy(&result, pairs, sizeof result);
    }
    return result;
  }

  static __device__ void mma(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    mma_bfloat16(upper, lower, a, b0, b1);
  }
};

// Nothing to round any more.
struct StoredBfloat16 {
  using Stored = Bfloat16;
  using Element = Bfloat16;

  template <int kWidth>
  static __device__ Pack<Element, kWidth> rounded(Pack<Bfloat16, kWidth> x) {
    return x;
  }

  static __device__ void mma(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    mma_bfloat16(upper, lower, a, b0, b1);
  }
};

struct Tf32 {
  using Stored = float;
  using Element = uint32_t;

  template <int kWidth>
  static __device__ Pack<Element, kWidth> rounded(Pack<float, kWidth> x) {
    Pack<Element, kWidth> result;
#pragma unroll
    for (int i = 0; i < kWidth; i++) result.v[i] = round_to_tf32(x.v[i]);
    return result;
  }

  static __device__ void mma(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    mma_tf32(upper, lower, a, b0, b1);
  }
};

// Operands as Type says; kWarpsM warps along m; slices kSteps times 32 bytes deep, of which kUnrolled are in flight.
template <typename Type, int kM_, int kN_, int kWarpsM, int kSteps = 2, int kUnrolled = kSteps>
struct TensorTile {
  using Stored = typename Type::Stored;
  using Element = typename Type::Element;
  static constexpr int kM = kM_, kN = kN_;
  static constexpr int kBytes = sizeof(Element);
  static constexpr int kDepth = 32 * kSteps / kBytes;
  static constexpr int kPiece = 16 / kBytes;  // elements of a row of an 8 x 8 block
  static constexpr int kWarpsN = kTileThreads / 32 / kWarpsM;
  static constexpr int kWarpM = kM / kWarpsM, kWarpN = kN / kWarpsN;
  static constexpr int kRows = kWarpM / 8, kRuns = kWarpN / 8, kRun = 2;
  static constexpr int kTurns = 2;
  // The way to the L1 cache and shared memory, 128 bytes a cycle, which takes longer than issuing all instructions:
  // rows are read as they are stored, written, and read again by each warp that multiplies them.
  static constexpr int kRead = sizeof(Stored), kWide = 16 / kRead;
  static constexpr int kCycles = ((kM + kN) * (kRead + kBytes) + (kM * kWarpsN + kN * kWarpsM) * kBytes) * kDepth / 128;
  // Slices that are on their way or multiplied where they are copied: what shared memory has room for, beside what
  // loaders keep there.
  static constexpr int kSliceBytes = (kM + kN) * kDepth * kBytes;
  static constexpr int kStages = kSliceBytes * 4 <= (44 << 10) ? 4 : kSliceBytes * 3 <= (44 << 10) ? 3 : 2;
  static constexpr bool kAvailable = kHasTensorCores;
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0, "whole blocks");

  using Results = Pack<float, kRun>[kRows * kRuns];

  static __device__ int row(int i) {
    return static_cast<int>(threadIdx.x) / 32 / kWarpsN * kWarpM + i * 8 + static_cast<int>(threadIdx.x) % 32 / 4;
  }
  static __device__ int column(int j) {
    return static_cast<int>(threadIdx.x) / 32 % kWarpsN * kWarpN + j * 8 + static_cast<int>(threadIdx.x) % 4 * 2;
  }

  // Of two runs, of which neighbouring threads hold two numbers each, one has four of the first and the other one four
  // of the second.
  static constexpr int kQuads = kRuns / 2;
  static __device__ Pack<float, 4> quad(const Results& c, int i, int j) {
    const bool odd = threadIdx.x % 2 == 1;
    const Pack<float, kRun>&first = c[i * kRuns + 2 * j], &second = c[i * kRuns + 2 * j + 1];
    float other[2];
#pragma unroll
    for (int e = 0; e < 2; e++) other[e] = __shfl_xor_sync(kAllLanes, odd ? first.v[e] : second.v[e], 1);
    if (odd) return {{other[0], other[1], second.v[0], second.v[1]}};
    return {{first.v[0], first.v[1], other[0], other[1]}};
  }
  static __device__ int quad_column(int j) {
    const int odd = static_cast<int>(threadIdx.x) % 2;
    return column(2 * j + odd) - 2 * odd;
  }

  // kSide rows of A, or columns of B, kDepth deep. The pieces of a line change places from line to line, so that those
  // that a warp reads or writes at a time lie in different banks.
  template <int kSide, typename Loader>
  struct alignas(16) Slice {
    static constexpr bool kAlongK = Loader::kAlongK;
    static constexpr int kLines = kAlongK ? kSide : kDepth, kLength = kAlongK ? kDepth : kSide;
    static constexpr int kPieces = kLength / kPiece;
    static_assert(kPieces >= 2 && (kBytes == 2 || kPieces >= 4), "as many as change places");
    Element v[kLines][kLength];

    __device__ Element* at(int line, int i) { return &v[line][place(line, i)]; }
    __device__ const Element* at(int line, int i) const { return &v[line][place(line, i)]; }

    // Sixteen rows of A from `row` on, or columns of B, and the step-th 32 bytes of k as ldmatrix deals them out: four
    // blocks of 8 lines and 16 bytes, in the order in which mma takes them. For A both halves of the rows come first,
    // then their other bytes; for B all of the first columns: registers of one operand must be neighbours.
    template <bool kColumns>
    __device__ void read(int row, int step, uint32_t (&block)[4]) const {
      const int lane = static_cast<int>(threadIdx.x) % 32;
      const auto line = [](int i) { return (kColumns ? i / 2 : i % 2) * 8; };
      const auto half = [](int i) { return kColumns ? i % 2 : i / 2; };
      if constexpr (kAlongK) {
        ldmatrix(block, at(row + line(lane / 8) + lane % 8, (2 * step + half(lane / 8)) * kPiece));
      } else if constexpr (kBytes == 2) {
        ldmatrix_transposed(block, at(step * 16 + half(lane / 8) * 8 + lane % 8, row + line(lane / 8)));
      } else {  // ldmatrix transposes numbers of two bytes only
#pragma unroll
        for (int i = 0; i < 4; i++) block[i] = *at(step * 8 + half(i) * 4 + lane % 4, row + line(i) + lane / 4);
      }
    }

   private:
    static __device__ int place(int line, int i) {
      int turn;
      if constexpr (!kAlongK && kBytes == 4) {
        // A warp reads eight words of four lines.
        turn = kPieces >= 8 ? line % 4 * 2 : line / 2 % 2 * 2;
      } else if constexpr (kPieces >= 8) {
        turn = line % 8;
      } else {
        turn = line / (8 / kPieces) % kPieces;  // 8 / kPieces lines go round the banks once
      }
      return (i / kPiece ^ turn) * kPiece + i % kPiece;
    }
  };

  // What is put is rounded by Type, whatever the last argument says.
  template <typename Slice, int kWidth>
  static __device__ void put_along_k(Slice& to, int row, int k, Pack<Stored, kWidth> values, Precision) {
    static_assert(Slice::kAlongK, "lies as it is read");
    store_pack(to.at(row, k), Type::rounded(values));
  }
  template <typename Slice, int kWidth>
  static __device__ void put_along_rows(Slice& to, int row, int k, Pack<Stored, kWidth> values, Precision) {
    static_assert(!Slice::kAlongK, "lies as it is read");
    store_pack(to.at(k, row), Type::rounded(values));
  }

  template <typename SliceA, typename SliceB>
  static __device__ void accumulate(const SliceA& a, const SliceB& b, Results& c) {
    const int first_row = static_cast<int>(threadIdx.x) / 32 / kWarpsN * kWarpM;
    const int first_column = static_cast<int>(threadIdx.x) / 32 % kWarpsN * kWarpN;
#pragma unroll kUnrolled
    for (int step = 0; step < kSteps; step++) {
      uint32_t rows[kWarpM / 16][4];
#pragma unroll
      for (int i = 0; i < kWarpM / 16; i++) a.template read<false>(first_row + 16 * i, step, rows[i]);
#pragma unroll
      for (int j = 0; j < kRuns; j += 2) {
        uint32_t columns[4];
        b.template read<true>(first_column + 8 * j, step, columns);
#pragma unroll
        for (int i = 0; i < kWarpM / 16; i++) {
#pragma unroll
          for (int e = 0; e < 2; e++) {
            Type::mma(c[2 * i * kRuns + j + e].v, c[(2 * i + 1) * kRuns + j + e].v, rows[i], columns[2 * e],
                      columns[2 * e + 1]);
          }
        }
      }
    }
  }
};

}  // namespace gradstep::cuda
