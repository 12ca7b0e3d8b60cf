// transpose on CUDA. Where the last axis moves, tiles of 32 x 32 of the plane of x's and y's last axes go through
// shared memory, read along x and written along y. Where it stays, or the plane is narrow, each thread fetches the
// elements of its place in y: four at a time where the last axis stays and divides by four. Both may be bfloat16.
#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/stored.h"
#include "cuda/word.h"
#include "generated/args/transpose.h"
#include "ops/transpose.h"

namespace gradstep::cuda {
namespace {

constexpr int32_t kNarrow = 16;  // planes with fewer rows or columns leave most of a tile empty

struct Fetch {
  Stored x, y;
  uint32_t packs;
  int32_t rank;
  Divider by[kMaxRank];       // y's dimensions from the last to the first, the last in packs
  int32_t strides[kMaxRank];  // in x, of these axes
};

template <int kWidth>
__global__ void __launch_bounds__(kThreads) fetch_kernel(Fetch f) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= f.packs) return;
  uint32_t rest = pack;
  int64_t at = 0;
#pragma unroll
  for (int axis = 0; axis < kMaxRank; axis++) {
    if (axis == f.rank) break;
    uint32_t index;
    rest = f.by[axis].divide(rest, index);
    at += static_cast<int64_t>(index) * f.strides[axis];
  }
  const auto words = load_words<kWidth>(f.x.data, at, f.x.narrow);
  store_words(f.y.data, static_cast<int64_t>(pack) * kWidth, f.y.narrow, words);
}

struct Planes {
  Stored x, y;
  int32_t rows, columns;  // y's last axis, x's last axis
  int32_t dx, dy;         // how far rows lie apart in x, columns in y
  Divider down, wide;     // tiles of a plane
  int32_t outer;          // axes that count the planes, from the last to the first
  Divider by[kMaxRank];
  int32_t in_x[kMaxRank], in_y[kMaxRank];
};

__global__ void __launch_bounds__(kThreads) plane_kernel(Planes p) {
  __shared__ uint32_t tile[kWarp][kWarp + 1];
  uint32_t down, wide;
  uint32_t rest = p.wide.divide(p.down.divide(blockIdx.x, down), wide);
  int64_t x = 0, y = 0;
  for (int axis = 0; axis < p.outer; axis++) {
    uint32_t index;
    rest = p.by[axis].divide(rest, index);
    x += static_cast<int64_t>(index) * p.in_x[axis];
    y += static_cast<int64_t>(index) * p.in_y[axis];
  }
  const int32_t row = static_cast<int32_t>(down) * kWarp, column = static_cast<int32_t>(wide) * kWarp;
  const int32_t lane = threadIdx.x % kWarp, high = threadIdx.x / kWarp;
#pragma unroll
  for (int32_t i = high; i < kWarp; i += kWarps) {
    if (row + i < p.rows && column + lane < p.columns)
      tile[i][lane] =
          load_words<1>(p.x.data, x + static_cast<int64_t>(row + i) * p.dx + column + lane, p.x.narrow).v[0];
  }
  __syncthreads();
#pragma unroll
  for (int32_t j = high; j < kWarp; j += kWarps) {
    if (column + j < p.columns && row + lane < p.rows)
      store_words<1>(p.y.data, y + static_cast<int64_t>(column + j) * p.dy + row + lane, p.y.narrow, {{tile[lane][j]}});
  }
}

Step fetch_step(const Permutation& p, const Stored& y, const Stored& x) {
  const int last = p.rank - 1;
  const bool wide = p.strides[last] == 1 && p.dims[last] % 4 == 0;
  Fetch f{};
  f.x = x;
  f.y = y;
  f.rank = p.rank;
  for (int i = 0; i < p.rank; i++) {
    f.by[last - i] = Divider(static_cast<uint32_t>(p.dims[i]));
    f.strides[last - i] = static_cast<int32_t>(p.strides[i]);
  }
  f.packs = static_cast<uint32_t>(p.size());
  if (wide) {
    f.by[0] = Divider(static_cast<uint32_t>(p.dims[last] / 4));
    f.strides[0] = 4;
    f.packs /= 4;
  }
  const auto kernel = wide ? fetch_kernel<4> : fetch_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(f.packs, kThreads), dim3(kThreads), f); };
}

Step plane_step(const Permutation& p, const Stored& y, const Stored& x, int along) {
  const int across = p.rank - 1;
  const auto tiles = [](int32_t size) { return static_cast<uint32_t>((size + kWarp - 1) / kWarp); };
  Planes planes{};
  planes.x = x;
  planes.y = y;
  planes.rows = p.dims[across];
  planes.columns = p.dims[along];
  planes.dx = static_cast<int32_t>(p.strides[across]);
  planes.dy = static_cast<int32_t>(p.stride_in_y(along));
  planes.down = Divider(tiles(planes.rows));
  planes.wide = Divider(tiles(planes.columns));
  int64_t blocks = static_cast<int64_t>(tiles(planes.rows)) * tiles(planes.columns);
  for (int i = across - 1; i >= 0; i--) {
    if (i == along) continue;
    planes.by[planes.outer] = Divider(static_cast<uint32_t>(p.dims[i]));
    planes.in_x[planes.outer] = static_cast<int32_t>(p.strides[i]);
    planes.in_y[planes.outer] = static_cast<int32_t>(p.stride_in_y(i));
    planes.outer++;
    blocks *= p.dims[i];
  }
  const dim3 grid = blocks_for(blocks, 1);
  return [=](cudaStream_t stream) { launch_cooperating(stream, plane_kernel, grid, dim3(kThreads), 0, planes); };
}

}  // namespace

Step transpose(Prepare& prepare, const TransposeArgs& args) {
  const Permutation p(args);
  const Stored x = stored(prepare, args.x), y = stored(prepare, args.y);
  const int along = p.place_of_last();
  const bool plane = along != p.rank - 1 && p.dims[along] >= kNarrow && p.dims[p.rank - 1] >= kNarrow;
  return plane ? plane_step(p, y, x, along) : fetch_step(p, y, x);
}

}  // namespace gradstep::cuda
