// How the pooling kernels lay out their work: blocks of channels x pixels over a tensor [N, rows, columns, C], a thread
// for each channel (or several) of a pixel. Small channel counts put more pixels into a block.
#pragma once

#include "core/error.h"
#include "cuda/divide.h"
#include "cuda/launch.h"
#include "ops/pool.h"

namespace gradstep::cuda {

constexpr int kPoolThreads = 256;

struct PoolMap {
  PoolAxis rows, cols;
  int32_t channels;
  uint32_t pixels;            // N * rows * columns of the tensor that is written
  uint32_t lanes;             // threads along the channels
  Divider by_column, by_row;  // of the tensor that is written

  dim3 block() const { return dim3(lanes, kPoolThreads / lanes); }
  dim3 grid() const { return blocks_for(pixels, kPoolThreads / lanes); }

  // This thread's pixel, in the order of the tensor.
  __device__ int64_t flat_pixel() const { return static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; }

  // ... and where it is. False beyond the last one.
  __device__ bool pixel(int32_t& n, int32_t& row, int32_t& column) const {
    const int64_t flat = flat_pixel();
    if (flat >= pixels) return false;
    uint32_t r, c;
    n = static_cast<int32_t>(by_row.divide(by_column.divide(static_cast<uint32_t>(flat), c), r));
    row = static_cast<int32_t>(r);
    column = static_cast<int32_t>(c);
    return true;
  }
};

// `large` is the pooled-over tensor, `small` the one with an element a window, `written` the one of the two that is
// written; all [N, rows, columns, C].
template <typename Args>
PoolMap pool_map(const Args& a, const int32_t* large, const int32_t* small, const int32_t* written) {
  const int64_t pixels = static_cast<int64_t>(written[0]) * written[1] * written[2];
  if (pixels >= int64_t{1} << 31) throw Error("ERR_SHAPE", "Pooling handles fewer than 2^31 pixels at a time");
  PoolMap map{};
  map.rows = {large[1], small[1], a.pool_h, a.stride_h, a.pad_top};
  map.cols = {large[2], small[2], a.pool_w, a.stride_w, a.pad_left};
  map.channels = written[3];
  map.pixels = map.channels > 0 ? static_cast<uint32_t>(pixels) : 0;
  map.lanes = 1;
  while (map.lanes < kPoolThreads && map.lanes < static_cast<uint32_t>(map.channels)) map.lanes *= 2;
  if (map.pixels > 0) {
    map.by_row = Divider(static_cast<uint32_t>(written[1]));
    map.by_column = Divider(static_cast<uint32_t>(written[2]));
  }
  return map;
}

}  // namespace gradstep::cuda
