// How kernels over images [N, rows, columns, C] lay out their work: blocks of channels x pixels, a thread for each
// pixel and group of kWidth channels (four where C divides by four). Few channels put more pixels into a block.
#pragma once

#include "core/error.h"
#include "cuda/divide.h"
#include "cuda/launch.h"
#include "cuda/pack.h"
#include "generated/tensor.h"

namespace gradstep::cuda {

constexpr int kImageThreads = 256;

struct Pixel {
  int32_t n, row, column;
};

struct ImageMap {
  uint32_t pixels;  // N * rows * columns
  int32_t units;    // groups of channels
  uint32_t lanes;   // threads along them
  Divider by_row, by_column;

  dim3 block() const { return dim3(lanes, kImageThreads / lanes); }
  dim3 grid() const { return blocks_for(pixels, kImageThreads / lanes); }

  // This thread's pixel, in the order of the tensor.
  __device__ uint32_t flat_pixel() const { return blockIdx.x * blockDim.y + threadIdx.y; }

  // ... and where it is.
  __device__ Pixel pixel(uint32_t flat) const {
    uint32_t row, column;
    const uint32_t n = by_row.divide(by_column.divide(flat, column), row);
    return {static_cast<int32_t>(n), static_cast<int32_t>(row), static_cast<int32_t>(column)};
  }
};

// Channels that a thread moves at a time.
inline int image_width(const Tensor& t) { return t.dims[3] % 4 == 0 ? 4 : 1; }

// Of the tensor that is written.
inline ImageMap image_map(const Tensor& written) {
  const int64_t pixels = int64_t{written.dims[0]} * written.dims[1] * written.dims[2];
  if (pixels >= (int64_t{1} << 31) - kImageThreads) {
    throw Error("ERR_SHAPE", "Operations on images handle fewer than 2^31 pixels at a time");
  }
  ImageMap map{};
  map.pixels = static_cast<uint32_t>(pixels);
  map.units = written.dims[3] / image_width(written);
  map.lanes = 1;
  while (map.lanes < kImageThreads && map.lanes < static_cast<uint32_t>(map.units)) map.lanes *= 2;
  map.by_row = Divider(static_cast<uint32_t>(written.dims[1]));
  map.by_column = Divider(static_cast<uint32_t>(written.dims[2]));
  return map;
}

// sum += factor x, channel by channel.
template <int kWidth>
__device__ inline void add_pack(Pack<float, kWidth>& sum, float factor, const Pack<float, kWidth>& x) {
#pragma unroll
  for (int k = 0; k < kWidth; k++) sum.v[k] += factor * x.v[k];
}

}  // namespace gradstep::cuda
