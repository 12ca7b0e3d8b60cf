// The pass behind a product on CUDA that multiplies it by an activation's slope, sums its columns and, where the result
// is stored in bfloat16, rounds it: parts of the sums, one a slice of the rows, are added by reduce_sum's kernel. A
// Slope says by what neighbouring elements of a row are multiplied:
//   template <int kPack> Pack<float, kPack> operator()(Pack<float, kPack> y, int64_t row, int64_t column)
//                                                                            y times the slope there
#pragma once

#include <algorithm>
#include <functional>

#include "cuda/bfloat16.h"
#include "cuda/prepare.h"
#include "ops/reduce_sum.cuh"
#include "ops/stored_product.cuh"

namespace gradstep::cuda {

constexpr int kSlopeColumns = 32, kSlopeRows = 8;  // of a block's threads

struct SlopePass {
  int64_t m, n;
  int64_t tiles;                 // blocks along n
  int64_t slices, slice_length;  // along m
};

// A thread has `pack` neighbouring columns.
inline SlopePass cut_slope_pass(int64_t m, int64_t n, int64_t pack, int multiprocessors) {
  constexpr int64_t kShortest = 16;  // rows that a thread has at least, where there are as many
  const int64_t tiles = (n + kSlopeColumns * pack - 1) / (kSlopeColumns * pack);
  const int64_t most = (m + kSlopeRows * kShortest - 1) / (kSlopeRows * kShortest);
  const int64_t wanted = std::min(most, (4 * multiprocessors + tiles - 1) / tiles);
  const int64_t length = (m + wanted - 1) / wanted;
  return {m, n, tiles, (m + length - 1) / length, length};
}

// to [m, n] = from times the slope, where it is wanted, and may be `from`; sums [slices, n], where wanted, of what is
// not rounded yet.
template <int kPack, typename From, typename To, typename Slope>
__global__ void __launch_bounds__(kSlopeColumns* kSlopeRows)
    slope_kernel(SlopePass p, const From* from, To* to, Slope slope, float* sums) {
  __shared__ Pack<float, kPack> partial[kSlopeRows][kSlopeColumns];
  const int32_t place = threadIdx.x % kSlopeColumns, row = threadIdx.x / kSlopeColumns;
  const int64_t slice = blockIdx.x / p.tiles;
  const int64_t c = (blockIdx.x % p.tiles * kSlopeColumns + place) * kPack;
  const int64_t end = min((slice + 1) * p.slice_length, p.m);
  Pack<float, kPack> sum{};
  if (c < p.n) {
    for (int64_t r = slice * p.slice_length + row; r < end; r += kSlopeRows) {
      const int64_t at = r * p.n + c;
      const Pack<float, kPack> left = slope(load_wide<kPack>(from + at), r, c);
      if (to != nullptr) store_narrow(to + at, left);
#pragma unroll
      for (int k = 0; k < kPack; k++) sum.v[k] += left.v[k];
    }
  }
  if (sums == nullptr) return;
  partial[row][place] = sum;
  for (int32_t half = kSlopeRows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) {
#pragma unroll
      for (int k = 0; k < kPack; k++) partial[row][place].v[k] += partial[row + half][place].v[k];
    }
  }
  if (row == 0 && c < p.n) store_pack(sums + slice * p.n + c, partial[0][place]);
}

// Launches the pass; sums [n] is null exactly where that was planned.
template <typename Slope, typename From = float, typename To = float>
using SlopeRun = std::function<void(cudaStream_t, const From* from, To* to, const Slope& slope, float* sums)>;

// It may use the step's workspace from byte `workspace_offset` on.
template <typename Slope, typename From = float, typename To = float>
SlopeRun<Slope, From, To> plan_slope_run(Prepare& prepare, int64_t m, int64_t n, bool sums,
                                         size_t workspace_offset = 0) {
  // In float32 alone, as it was measured.
  constexpr bool kAllFloat = sizeof(From) + sizeof(To) == 2 * sizeof(float);
  const int pack = !kAllFloat && n % 4 == 0 ? 4 : 1;
  const SlopePass pass = cut_slope_pass(m, n, pack, prepare.multiprocessors());
  const auto launch_pass = [=](cudaStream_t stream, const From* from, To* to, const Slope& slope, float* total) {
    auto* kernel = slope_kernel<1, From, To, Slope>;
    if constexpr (!kAllFloat) {
      if (pack == 4) kernel = slope_kernel<4, From, To, Slope>;
    }
    launch_cooperating(stream, kernel, blocks_for(pass.tiles * pass.slices, 1), dim3(kSlopeColumns * kSlopeRows), 0,
                       pass, from, to, slope, total);
  };
  if (!sums || pass.slices == 1) return launch_pass;
  const size_t bytes = static_cast<size_t>(pass.slices * n) * sizeof(float);
  const Workspace workspace = prepare.workspace(workspace_offset + bytes);
  const SumRun add = plan_sum(prepare, {1, pass.slices, n, 1.f, false}, workspace_offset + bytes);
  return [=](cudaStream_t stream, const From* from, To* to, const Slope& slope, float* total) {
    float* partial = reinterpret_cast<float*>(static_cast<char*>(workspace.data()) + workspace_offset);
    launch_pass(stream, from, to, slope, partial);
    add(stream, partial, total);
  };
}

// A product and the pass behind it: c = the slope times the product, and sums of its columns where p.sums is present.
template <typename Slope>
Step plan_sloped_product(Prepare& prepare, const GemmShape& shape, const Product& p, const Slope& slope) {
  Product alone = p;
  alone.aux = alone.sums = {};
  const StoredProduct product(prepare, shape, alone, StoredProduct::Result::kWide);
  float* const sums = prepare.at(p.sums);
  const auto with = [&](auto* c) -> Step {
    using To = std::remove_pointer_t<decltype(c)>;
    const auto run = plan_slope_run<Slope, float, To>(prepare, shape.m, shape.n, sums != nullptr, product.behind());
    return [=](cudaStream_t stream) {
      product(stream);
      run(stream, product.wide(), c, slope, sums);
    };
  };
  return p.c.dtype == DType::kBfloat16 ? with(prepare.at<Bfloat16>(p.c)) : with(prepare.at(p.c));
}

}  // namespace gradstep::cuda
