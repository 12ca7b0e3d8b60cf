// Pairs of sums down the columns of [samples, rows, channels] on CUDA, for the normalisations: a block of 256 threads
// is `width` packs of columns wide and takes a slice of the rows, at most kRowsEach a thread, so that float32 sums stay
// short. Slices are added up, in order, by the launch that reads them. A Term says what is summed:
//   Term::Column<kPack> column(sample, first row of the slice, column)   what the rows of a column share
//   add(const Column&, row of all samples, column, s1, s2)
#pragma once

#include <algorithm>

#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/reduce.h"

namespace gradstep::cuda {

constexpr int kColumnThreads = 256;

struct ColumnGrid {
  int64_t samples, rows, channels;
  int64_t tiles, slices, slice_rows;
  int32_t pack, width, height;

  dim3 grid() const { return blocks_for(samples * tiles * slices, 1); }
  int64_t sums() const { return samples * slices * 2 * channels; }
  __host__ __device__ int64_t rows_of(int64_t slice) const {
    const int64_t left = rows - slice * slice_rows;
    return left < slice_rows ? left : slice_rows;
  }
};

// What a thread works on.
template <int kPack>
struct ColumnPlace {
  int64_t sample, slice, begin, end;  // rows, counted through all samples
  int64_t column;
  int32_t row;
  bool inside;

  __device__ explicit ColumnPlace(const ColumnGrid& g) {
    const int64_t block = blockIdx.x;
    const int64_t tile = block % g.tiles, rest = block / g.tiles;
    slice = rest % g.slices;
    sample = rest / g.slices;
    column = (tile * g.width + threadIdx.x % g.width) * kPack;
    row = threadIdx.x / g.width;
    inside = column < g.channels;
    begin = sample * g.rows + slice * g.slice_rows;
    end = begin + g.rows_of(slice);
  }
};

// `rows_each`: at most so many rows a thread. `widest`: columns of a pack, 4 or 8, where they divide by that.
inline ColumnGrid plan_columns(int64_t samples, int64_t rows, int64_t channels, int multiprocessors, int rows_each,
                               int widest = 4) {
  ColumnGrid g{};
  g.samples = samples;
  g.rows = rows;
  g.channels = channels;
  g.pack = channels % widest == 0 ? widest : channels % 4 == 0 ? 4 : 1;
  const int64_t packs = channels / g.pack;
  // The widest block that leaves less than a quarter of its columns idle.
  g.width = 1;
  for (int32_t width = 2; width <= kWarp; width *= 2) {
    if ((packs + width - 1) / width * width * 3 <= packs * 4 || width <= 4) g.width = width;
  }
  g.height = kColumnThreads / g.width;
  g.tiles = (packs + g.width - 1) / g.width;
  const int64_t wanted = std::max<int64_t>(1, int64_t{multiprocessors} * 8 / (samples * g.tiles));
  const int64_t each = std::clamp<int64_t>(rows / (wanted * g.height), 4, rows_each);
  g.slice_rows = each * g.height;
  g.slices = (rows + g.slice_rows - 1) / g.slice_rows;
  return g;
}

// partial: [samples, slices, 2, channels].
template <int kPack, typename Term>
__global__ void __launch_bounds__(kColumnThreads) column_sums_kernel(ColumnGrid g, Term term, float* partial) {
  __shared__ Pack<float, kPack> shared1[kColumnThreads], shared2[kColumnThreads];
  const ColumnPlace<kPack> place(g);
  Pack<float, kPack> s1{}, s2{};
  if (place.inside) {
    const auto column = term.template column<kPack>(place.sample, place.begin, place.column);
#pragma unroll 4
    for (int64_t r = place.begin + place.row; r < place.end; r += g.height) term.add(column, r, place.column, s1, s2);
  }
  const int32_t thread = threadIdx.x;
  shared1[thread] = s1;
  shared2[thread] = s2;
  for (int32_t half = g.height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (place.row < half) {
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        shared1[thread].v[k] += shared1[thread + half * g.width].v[k];
        shared2[thread].v[k] += shared2[thread + half * g.width].v[k];
      }
    }
  }
  if (!place.inside || place.row != 0) return;
  float* to = partial + (place.sample * g.slices + place.slice) * 2 * g.channels + place.column;
  store_pack(to, shared1[thread]);
  store_pack(to + g.channels, shared2[thread]);
}

template <int kPack, typename Term>
void launch_column_sums(LaunchOn on, const ColumnGrid& g, const Term& term, float* partial) {
  launch_cooperating(on, column_sums_kernel<kPack, Term>, g.grid(), dim3(kColumnThreads), 0, g, term, partial);
}

// The warp of a kernel with one item a warp, counted through the grid.
__device__ inline int64_t warp_item() {
  return (static_cast<int64_t>(blockIdx.x) * kColumnThreads + threadIdx.x) / kWarp;
}

}  // namespace gradstep::cuda
