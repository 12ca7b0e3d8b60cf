// How the pooling kernels lay out their work: blocks of channels x pixels over a tensor [N, planes, rows, columns, C],
// a thread for each group of kWidth channels (or several) of a pixel: four where C divides by four, eight of bfloat16
// where it divides by eight. Small channel counts put more pixels into a block.
#pragma once

#include "core/error.h"
#include "cuda/divide.h"
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/stored.h"
#include "generated/tensor.h"
#include "ops/pool.h"

namespace gradstep::cuda {

constexpr int kPoolThreads = 256;
// Blocks a multiprocessor. Left open, or four, ptxas makes room for them on sm_86 or sm_100 and spills for it.
constexpr int kPoolBlocks = 3;

struct PoolMap {
  PoolAxis planes, rows, cols;
  int32_t channels;
  uint32_t pixels;                      // N * planes * rows * columns of the tensor that is written
  int width;                            // channels a thread takes at a time
  uint32_t lanes;                       // threads along the channels
  Divider by_column, by_row, by_plane;  // of the tensor that is written

  dim3 block() const { return dim3(lanes, kPoolThreads / lanes); }
  dim3 grid() const { return blocks_for(pixels, kPoolThreads / lanes); }

  // This thread's pixel, in the order of the tensor.
  __device__ int64_t flat_pixel() const { return static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; }

  // ... and where it is. False beyond the last one.
  __device__ bool pixel(int32_t& n, int32_t& plane, int32_t& row, int32_t& column) const {
    const int64_t flat = flat_pixel();
    if (flat >= pixels) return false;
    uint32_t p, r, c;
    const uint32_t in_plane = by_row.divide(by_column.divide(static_cast<uint32_t>(flat), c), r);
    n = static_cast<int32_t>(by_plane.divide(in_plane, p));
    plane = static_cast<int32_t>(p);
    row = static_cast<int32_t>(r);
    column = static_cast<int32_t>(c);
    return true;
  }
};

// `large` is the pooled-over tensor, `small` the one with an element a window; of the two, `read` is read and `written`
// written; all [N, (planes,) rows, columns, C].
template <typename Args>
PoolMap pool_map(const Args& a, const Tensor& large, const Tensor& small, const Tensor& read, const Tensor& written) {
  const int c = written.rank - 1;
  const int64_t pixels = written.dims[c] > 0 ? written.size() / written.dims[c] : 0;
  if (pixels >= int64_t{1} << 31) throw Error("ERR_SHAPE", "Pooling handles fewer than 2^31 pixels at a time");
  const bool deep = c == 4;
  PoolMap map{};
  map.planes =
      deep ? PoolAxis{large.dims[1], small.dims[1], a.pool_d, a.stride_d, a.pad_front} : PoolAxis{1, 1, 1, 1, 0};
  map.rows = {large.dims[c - 2], small.dims[c - 2], a.pool_h, a.stride_h, a.pad_top};
  map.cols = {large.dims[c - 1], small.dims[c - 1], a.pool_w, a.stride_w, a.pad_left};
  map.channels = written.dims[c];
  map.pixels = static_cast<uint32_t>(pixels);
  const bool by_eight = read.dtype == DType::kBfloat16 && map.channels % 8 == 0;
  map.width = by_eight ? 8 : (map.channels % 4 == 0 ? 4 : 1);
  const uint32_t units = static_cast<uint32_t>(map.channels / map.width);
  map.lanes = 1;
  while (map.lanes < kPoolThreads && map.lanes < units) map.lanes *= 2;
  if (map.pixels > 0) {
    map.by_plane = Divider(deep ? static_cast<uint32_t>(written.dims[1]) : 1);
    map.by_row = Divider(static_cast<uint32_t>(written.dims[c - 2]));
    map.by_column = Divider(static_cast<uint32_t>(written.dims[c - 1]));
  }
  return map;
}

// How a kernel reads: kWidth numbers at a time, stored as T.
template <typename T, int kNumbers>
struct PoolAccess {
  using From = T;
  static constexpr int kWidth = kNumbers;
};

// Launches kernel_of(PoolAccess<…>{}) of what `read` holds, with the map, its address and the rest.
template <typename KernelOf, typename... Rest>
Step pool_step(const Prepare& prepare, const PoolMap& map, const Tensor& read, const KernelOf& kernel_of,
               Rest... rest) {
  const auto step = [&](auto access) -> Step {
    const auto* from = prepare.at<typename decltype(access)::From>(read);
    const auto kernel = kernel_of(access);
    return [=](cudaStream_t stream) {
      if (map.pixels > 0) launch(stream, kernel, map.grid(), map.block(), map, from, rest...);
    };
  };
  if (read.dtype != DType::kBfloat16) {
    return map.width == 4 ? step(PoolAccess<float, 4>{}) : step(PoolAccess<float, 1>{});
  }
  if (map.width == 8) return step(PoolAccess<Bfloat16, 8>{});
  return map.width == 4 ? step(PoolAccess<Bfloat16, 4>{}) : step(PoolAccess<Bfloat16, 1>{});
}

}  // namespace gradstep::cuda
