// A convolution or a gradient of one as a matrix product (see conv.cuh), and the kernels that compute it in tiles.
// Which tiles there are is a family's affair: FmaTiles multiply in float32, TensorTiles on tensor cores
// (cuda/tensor_tile.cuh), with the tile's operands rounded. conv.cu makes the calls and has the kernels of FmaTiles,
// conv_bfloat16.cu and conv_tf32.cu those of TensorTiles.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda/prepare.h"
#include "cuda/tensor_tile.cuh"
#include "ops/conv.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {

// result [m, n] = the sum over k, for each group.
struct Product {
  uint32_t m, n, k;
  uint32_t groups;
  uint32_t tiles_n;       // tiles along n
  uint32_t tiles;         // all tiles of a group
  uint32_t slice_length;  // conv_dw: pixels summed by one slice; a multiple of the tile's depth

  template <typename T>
  __device__ uint32_t row_begin() const {
    return blockIdx.x % tiles / tiles_n * T::kM;
  }
  template <typename T>
  __device__ int32_t column_begin() const {
    return static_cast<int32_t>(blockIdx.x % tiles_n * T::kN);
  }
};

// What is to be computed. deep: over three axes; wide: channels may be read four at a time.
struct ConvCall {
  ConvShape shape;
  Product product;
  bool deep, wide;
  const float *x, *w, *bias;
  float* y;
  bool relu;
};
struct ConvDxCall {  // one class; shape: the class as a convolution whose x is dy and whose y is dx
  ConvShape shape;
  DxClass of;
  Product product;
  bool deep, wide;
  const float *dy, *w;
  float* dx;
  bool accumulate;
};
struct ConvDwCall {
  ConvShape shape;
  Product product;
  bool deep, wide;
  const float *x, *dy;
  float* dw;
  bool accumulate;
};

// ---- kernels ----

template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_kernel(ConvShape s, Product product, const float* x, const float* w, const float* bias, float* y, bool relu) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const uint32_t row_begin = product.row_begin<T>();
    const int32_t column_begin = product.column_begin<T>();
    const uint32_t group = blockIdx.y * s.o;
    WindowLoader<T, kWidth, kDeep> a(s, x, row_begin, product.m);
    MatrixLoader<T, kWidth> b(w + group, s.o, s.all_o, column_begin, s.precision);
    typename T::Results c;
    multiply<T>(a, b, 0, product.k, c);

    Pack<float, T::kRun> offset[T::kRuns] = {};
    if (bias) {
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        const int32_t column = column_begin + T::column(j);
#pragma unroll
        for (int e = 0; e < T::kRun; e++) offset[j].v[e] = column + e < s.o ? bias[group + column + e] : 0.f;
      }
    }
#pragma unroll
    for (int i = 0; i < T::kRows; i++) {
      const uint32_t row = row_begin + T::row(i);
      if (row >= product.m) continue;
      float* const to = y + static_cast<int64_t>(row) * s.all_o + group;
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        Pack<float, T::kRun>& run = c[i * T::kRuns + j];
#pragma unroll
        for (int e = 0; e < T::kRun; e++) {
          const float v = run.v[e] + offset[j].v[e];
          run.v[e] = relu ? scalar::relu(v) : v;
        }
        write_run(to, column_begin + T::column(j), s.o, run, false);
      }
    }
  }
}

template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dx_kernel(ConvShape s, DxClass of, Product product, const float* dy, const float* w, float* dx,
                   bool accumulate) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const uint32_t row_begin = product.row_begin<T>();
    const int32_t column_begin = product.column_begin<T>();
    WindowLoader<T, kWidth, kDeep> a(s, dy, row_begin, product.m);
    TransposedKernelLoader<T, kWidth, kDeep> b(s, of, w, column_begin);
    typename T::Results c;
    multiply<T>(a, b, 0, product.k, c);
#pragma unroll
    for (int i = 0; i < T::kRows; i++) {
      const uint32_t row = row_begin + T::row(i);
      if (row >= product.m) continue;
      const Pixel at = pixel_at<kDeep>(s, row);
      int64_t plane = at.n;
      if constexpr (kDeep) plane = plane * of.d + of.first_d + static_cast<int32_t>(at.e) * of.stride_d;
      const int64_t y = of.first_h + static_cast<int32_t>(at.p) * of.stride_h;
      const int64_t x = of.first_w + static_cast<int32_t>(at.q) * of.stride_w;
      float* const to = dx + ((plane * of.h + y) * of.w + x) * s.all_o + blockIdx.y * s.o;
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        write_run(to, column_begin + T::column(j), s.o, c[i * T::kRuns + j], accumulate);
      }
    }
  }
}

// Slice blockIdx.x / tiles of the sum, to its own kernel gradient behind `to`.
template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dw_kernel(ConvShape s, Product product, const float* x, const float* dy, float* to, bool accumulate) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const uint32_t row_begin = product.row_begin<T>();
    const int32_t column_begin = product.column_begin<T>();
    const uint32_t slice = blockIdx.x / product.tiles;
    const uint32_t k_begin = slice * product.slice_length;
    const uint32_t group = blockIdx.y * s.o;
    KernelPositionLoader<T, kWidth, kDeep> a(s, x, row_begin, product.m);
    MatrixLoader<T, kWidth> b(dy + group, s.o, s.all_o, column_begin, s.precision);
    typename T::Results c;
    multiply<T>(a, b, k_begin, min(k_begin + product.slice_length, product.k), c);
    to += static_cast<int64_t>(slice) * product.m * s.all_o + group;
#pragma unroll
    for (int i = 0; i < T::kRows; i++) {
      const uint32_t row = row_begin + T::row(i);
      if (row >= product.m) continue;
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        write_run(to + static_cast<int64_t>(row) * s.all_o, column_begin + T::column(j), s.o, c[i * T::kRuns + j],
                  accumulate);
      }
    }
  }
}

// ---- families of tiles ----

template <typename T>
Product tiled(Product product) {
  product.tiles_n = (product.n + T::kN - 1) / T::kN;
  product.tiles = product.tiles_n * ((product.m + T::kM - 1) / T::kM);
  return product;
}

template <int kWidth>
using Width = std::integral_constant<int, kWidth>;

// A family calls run(tile, width) with the tile that fits an [m, n] result best, and the number of channels to read at
// a time. `fill`: blocks that would fill the device; 0 where the sum can be cut into slices that do.
struct FmaTiles {
  using Large = Tile<128, 64, 8>;
  using Narrow = Tile<128, 32, 4>;  // few channels
  using Thin = Tile<256, 16, 4>;    // very few
  using Small = Tile<64, 64, 4>;    // few rows

  template <typename Run>
  static Step choose(const Product& product, bool wide, uint32_t fill, Run run) {
    const auto either = [&](auto tile) { return wide ? run(tile, Width<4>{}) : run(tile, Width<1>{}); };
    if (product.m <= Small::kM) return either(Small{});
    if (wide && product.n <= Thin::kN) return run(Thin{}, Width<4>{});
    if (product.n <= Narrow::kN) return either(Narrow{});
    // Read one channel at a time, the large tile would need more registers than there are.
    if (!wide || tiled<Large>(product).tiles * product.groups < fill) return either(Small{});
    return run(Large{}, Width<4>{});
  }
};

template <typename Type>
struct TensorTiles {
  using Large = TensorTile<Type, 128, 64, 4>;
  using Narrow = TensorTile<Type, 128, 32, 4>;  // few channels
  using Small = TensorTile<Type, 64, 32, 4>;    // few rows, or channels read one at a time

  template <typename Run>
  static Step choose(const Product& product, bool wide, uint32_t fill, Run run) {
    if (!wide) return run(Small{}, Width<1>{});
    const auto either = [&](auto tile) {
      const bool fills = tiled<decltype(tile)>(product).tiles * product.groups >= fill;
      return fills && product.m > Small::kM ? run(tile, Width<4>{}) : run(Small{}, Width<4>{});
    };
    return product.n <= Narrow::kN ? either(Narrow{}) : either(Large{});
  }
};

// Calls run(kDeep).
template <typename Run>
Step with_axes(bool deep, Run run) {
  return deep ? run(std::true_type{}) : run(std::false_type{});
}

// ---- steps ----

template <typename Tiles>
Step run_conv(Prepare& prepare, const ConvCall& call) {
  return Tiles::choose(call.product, call.wide, prepare.multiprocessors(), [&](auto tile, auto width) -> Step {
    return with_axes(call.deep, [&](auto deep) -> Step {
      using T = decltype(tile);
      const Product on = tiled<T>(call.product);
      const auto kernel = conv_kernel<T, decltype(width)::value, decltype(deep)::value>;
      const dim3 grid(on.tiles, on.groups);
      return [=, c = call](cudaStream_t stream) {
        launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, c.shape, on, c.x, c.w, c.bias, c.y, c.relu);
      };
    });
  });
}

template <typename Tiles>
Step run_conv_dx(Prepare& prepare, const ConvDxCall& call) {
  return Tiles::choose(call.product, call.wide, prepare.multiprocessors(), [&](auto tile, auto width) -> Step {
    return with_axes(call.deep, [&](auto deep) -> Step {
      using T = decltype(tile);
      const Product on = tiled<T>(call.product);
      const auto kernel = conv_dx_kernel<T, decltype(width)::value, decltype(deep)::value>;
      const dim3 grid(on.tiles, on.groups);
      return [=, c = call](cudaStream_t stream) {
        launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, c.shape, c.of, on, c.dy, c.w, c.dx,
                           c.accumulate);
      };
    });
  });
}

template <typename Tiles>
Step run_conv_dw(Prepare& prepare, const ConvDwCall& call) {
  return Tiles::choose(call.product, call.wide, 0, [&](auto tile, auto width) -> Step {
    return with_axes(call.deep, [&](auto deep) -> Step {
      using T = decltype(tile);
      // Two blocks a multiprocessor, slices no shorter than 128 pixels, at most 64 MiB of partial results.
      constexpr int64_t kShortest = 128, kMostBytes = 64 << 20;
      Product on = tiled<T>(call.product);
      const int64_t pixels = on.k;
      const int64_t elements = static_cast<int64_t>(on.m) * call.shape.all_o;
      const int64_t blocks = static_cast<int64_t>(on.tiles) * on.groups;
      const int64_t wanted = (2 * prepare.multiprocessors() + blocks - 1) / blocks;
      const int64_t most = std::min(pixels / kShortest, kMostBytes / (elements * static_cast<int64_t>(sizeof(float))));
      const int64_t cut = std::max<int64_t>(1, std::min(wanted, most));
      const int64_t depth = (pixels + cut - 1) / cut;
      on.slice_length = static_cast<uint32_t>(std::max<int64_t>(1, (depth + T::kDepth - 1) / T::kDepth) * T::kDepth);
      const int64_t slices = std::max<int64_t>(1, (pixels + on.slice_length - 1) / on.slice_length);
      const auto kernel = conv_dw_kernel<T, decltype(width)::value, decltype(deep)::value>;
      const dim3 grid(static_cast<unsigned>(on.tiles * slices), on.groups);
      if (slices == 1) {
        return [=, c = call](cudaStream_t stream) {
          launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, c.shape, on, c.x, c.dy, c.dw, c.accumulate);
        };
      }
      const size_t bytes = static_cast<size_t>(slices * elements) * sizeof(float);
      const Workspace workspace = prepare.workspace(bytes);
      const SumRun sum_slices = plan_sum(prepare, {1, slices, elements, 1.f, call.accumulate}, bytes);
      return [=, c = call](cudaStream_t stream) {
        float* partial = static_cast<float*>(workspace.data());
        launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, c.shape, on, c.x, c.dy, partial, false);
        sum_slices(stream, partial, c.dw);
      };
    });
  });
}

extern template Step run_conv<TensorTiles<Bfloat16>>(Prepare&, const ConvCall&);
extern template Step run_conv_dx<TensorTiles<Bfloat16>>(Prepare&, const ConvDxCall&);
extern template Step run_conv_dw<TensorTiles<Bfloat16>>(Prepare&, const ConvDwCall&);
extern template Step run_conv<TensorTiles<Tf32>>(Prepare&, const ConvCall&);
extern template Step run_conv_dx<TensorTiles<Tf32>>(Prepare&, const ConvDxCall&);
extern template Step run_conv_dw<TensorTiles<Tf32>>(Prepare&, const ConvDwCall&);

}  // namespace gradstep::cuda
