// A convolution or a gradient of one as a matrix product (see conv.cuh), and the kernels that compute it in tiles.
// Which tiles there are is a family's affair: FmaTiles multiply in float32, TensorTiles on tensor cores
// (cuda/tensor_tile.cuh), with the tile's operands rounded. conv.cu makes the calls and has the kernels of FmaTiles,
// conv_bfloat16.cu and conv_tf32.cu those of TensorTiles.
#pragma once

#include <algorithm>
#include <tuple>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "cuda/prepare.h"
#include "cuda/tensor_tile.cuh"
#include "ops/conv.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {

// result [m, n] = the sum over k, for each group. Blocks: x tiles, those side by side along n first; y groups; z slices
// of the sum, each with a result of its own.
struct Product {
  uint32_t m, n, k;
  uint32_t groups;
  uint32_t slices = 1, slice_length;  // a multiple of the tile's depth
  uint32_t tiles;
  Divider by_tiles_n;
};

// Where a block's tile and slice begin.
template <typename T>
struct BlockPart {
  uint32_t row, k_begin, k_end;
  int32_t column;

  __device__ explicit BlockPart(const Product& p) {
    uint32_t tile_n;
    row = p.by_tiles_n.divide(blockIdx.x, tile_n) * T::kM;
    column = static_cast<int32_t>(tile_n * T::kN);
    k_begin = blockIdx.z * p.slice_length;
    k_end = min(k_begin + p.slice_length, p.k);
  }
};

// What is to be computed. deep: over three axes. width: channels that may be read at a time, 1 or 4.
struct ConvCall {
  ConvShape shape;
  Product product;
  bool deep;
  int width_x, width_w;
  const float *x, *w, *bias;
  float* y;
  bool relu;
};
struct ConvDxClass {  // shape: the class as a convolution whose x is dy and whose y is dx
  ConvShape shape;
  DxClass of;
  Product product;
};
struct ConvDxCall {
  std::vector<ConvDxClass> classes;
  bool deep;
  int width;
  const float *dy, *w;
  float* dx;
  int64_t elements;  // of dx
  bool accumulate;
};
struct ConvDwCall {
  ConvShape shape;
  Product product;
  bool deep;
  int width_x, width_dy;
  const float *x, *dy;
  float* dw;
  bool accumulate;
};

// ---- kernels ----

template <typename T, int kWidthX, int kWidthW, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_kernel(ConvShape s, Product product, const float* x, const float* w, const float* bias, float* y, bool relu) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const BlockPart<T> part(product);
    const uint32_t group = blockIdx.y * s.o;
    WindowLoader<T, kWidthX, kDeep> a(s, x, part.row, product.m, part.k_begin, part.k_end);
    MatrixLoader<T, kWidthW> b(w, group, s.o, s.all_o, part.column, s.precision);
    typename T::Results c;
    multiply<T>(a, b, part.k_begin, part.k_end, c);
    y += static_cast<int64_t>(blockIdx.z) * product.m * s.all_o + group;

    Pack<float, T::kRun> offset[T::kRuns] = {};
    if (bias) {
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        const int32_t column = part.column + T::column(j);
#pragma unroll
        for (int e = 0; e < T::kRun; e++) offset[j].v[e] = column + e < s.o ? bias[group + column + e] : 0.f;
      }
    }
#pragma unroll
    for (int i = 0; i < T::kRows; i++) {
      const uint32_t row = part.row + T::row(i);
      if (row >= product.m) continue;
      float* const to = y + static_cast<int64_t>(row) * s.all_o;
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        Pack<float, T::kRun>& run = c[i * T::kRuns + j];
#pragma unroll
        for (int e = 0; e < T::kRun; e++) {
          const float v = run.v[e] + offset[j].v[e];
          run.v[e] = relu ? scalar::relu(v) : v;
        }
        write_run(to, part.column + T::column(j), s.o, run, false);
      }
    }
  }
}

// `slice_elements`: of dx, which every slice has one of.
template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dx_kernel(ConvShape s, DxClass of, Product product, const float* dy, const float* w, float* dx,
                   int64_t slice_elements, bool accumulate) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const BlockPart<T> part(product);
    WindowLoader<T, kWidth, kDeep> a(s, dy, part.row, product.m, part.k_begin, part.k_end);
    TransposedKernelLoader<T, kWidth, kDeep> b(s, of, w, part.column, part.k_begin, part.k_end);
    typename T::Results c;
    multiply<T>(a, b, part.k_begin, part.k_end, c);
    dx += blockIdx.z * slice_elements + blockIdx.y * s.o;
#pragma unroll
    for (int i = 0; i < T::kRows; i++) {
      const uint32_t row = part.row + T::row(i);
      if (row >= product.m) continue;
      const Pixel at = pixel_at<kDeep>(s, row);
      int64_t plane = at.n;
      if constexpr (kDeep) plane = plane * of.d + of.first_d + static_cast<int32_t>(at.e) * of.stride_d;
      const int64_t y = of.first_h + static_cast<int32_t>(at.p) * of.stride_h;
      const int64_t x = of.first_w + static_cast<int32_t>(at.q) * of.stride_w;
      float* const to = dx + ((plane * of.h + y) * of.w + x) * s.all_o;
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        write_run(to, part.column + T::column(j), s.o, c[i * T::kRuns + j], accumulate);
      }
    }
  }
}

template <typename T, int kWidthX, int kWidthDy, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dw_kernel(ConvShape s, Product product, const float* x, const float* dy, float* to, bool accumulate) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const BlockPart<T> part(product);
    const uint32_t group = blockIdx.y * s.o;
    KernelPositionLoader<T, kWidthX, kDeep> a(s, x, part.row, product.m, part.k_begin, part.k_end);
    MatrixLoader<T, kWidthDy> b(dy, group, s.o, s.all_o, part.column, s.precision);
    typename T::Results c;
    multiply<T>(a, b, part.k_begin, part.k_end, c);
    to += static_cast<int64_t>(blockIdx.z) * product.m * s.all_o + group;
#pragma unroll
    for (int i = 0; i < T::kRows; i++) {
      const uint32_t row = part.row + T::row(i);
      if (row >= product.m) continue;
#pragma unroll
      for (int j = 0; j < T::kRuns; j++) {
        write_run(to + static_cast<int64_t>(row) * s.all_o, part.column + T::column(j), s.o, c[i * T::kRuns + j],
                  accumulate);
      }
    }
  }
}

// ---- families of tiles ----

template <int kWidth>
using Width = std::integral_constant<int, kWidth>;

// A tile of a family, and what it is compiled for besides wide channels over two axes: three axes; channels that must
// be read one at a time, those of x at least.
template <typename Tile_, bool kDeep_, bool kNarrow_ = false>
struct Offer {
  using Tile = Tile_;
  static constexpr bool kDeep = kDeep_, kNarrow = kNarrow_;
};

// Tiles by how much is multiplied for every number that is read, most first.
struct FmaTiles {
  // Read one channel at a time, the first would need more registers than there are.
  using Offers = std::tuple<Offer<Tile<128, 64, 8>, true>, Offer<Tile<64, 64, 4>, true, true>,
                            Offer<Tile<128, 32, 4>, true, true>, Offer<Tile<256, 16, 4>, true>>;
};

template <typename Type>
struct TensorTiles {
  using Offers = std::tuple<Offer<TensorTile<Type, 128, 64, 4>, true>, Offer<TensorTile<Type, 64, 64, 4>, false>,
                            Offer<TensorTile<Type, 128, 32, 4>, true>, Offer<TensorTile<Type, 64, 32, 4>, true, true>,
                            Offer<TensorTile<Type, 256, 16, 8>, false>>;
};

// Calls run(tile, width of A, width of B, deep) for the family's tile of that number.
template <typename Tiles, size_t kFirst = 0, typename Run>
Step with_tile(int tile, int width_a, int width_b, bool deep, Run run) {
  if constexpr (kFirst == std::tuple_size_v<typename Tiles::Offers>) {
    throw Error("ERR_INTERNAL", "There is no such tile for a convolution");
  } else {
    if (tile != static_cast<int>(kFirst)) return with_tile<Tiles, kFirst + 1>(tile, width_a, width_b, deep, run);
    using Offer = std::tuple_element_t<kFirst, typename Tiles::Offers>;
    using T = typename Offer::Tile;
    if (width_a == 4) {
      if constexpr (Offer::kDeep) {
        if (deep) return run(T{}, Width<4>{}, Width<4>{}, std::true_type{});
      }
      return run(T{}, Width<4>{}, Width<4>{}, std::false_type{});
    }
    if constexpr (Offer::kNarrow) {
      if (deep) return run(T{}, Width<1>{}, Width<1>{}, std::true_type{});
      if (width_b == 1) return run(T{}, Width<1>{}, Width<1>{}, std::false_type{});
      return run(T{}, Width<1>{}, Width<4>{}, std::false_type{});
    }
    throw Error("ERR_INTERNAL", "This tile of a convolution is for wide channels");
  }
}

// ---- steps ----

// How a product is cut: the number of a tile in its family, the slices of its sum.
struct Cut {
  int tile;
  int64_t slices;
};

template <typename T>
Product cut_into(Product product, int64_t slices) {
  const uint32_t tiles_n = (product.n + T::kN - 1) / T::kN;
  product.tiles = tiles_n * ((product.m + T::kM - 1) / T::kM);
  product.by_tiles_n = Divider(tiles_n);
  const int64_t length = (product.k + slices - 1) / slices;
  product.slices = static_cast<uint32_t>(slices);
  product.slice_length = static_cast<uint32_t>(std::max<int64_t>(1, (length + T::kDepth - 1) / T::kDepth) * T::kDepth);
  return product;
}

inline dim3 grid_of(const Product& p) { return dim3(p.tiles, p.groups, p.slices); }

// to [rows, channels] = act(the sum of slices of that size + bias), in order.
void add_slices(cudaStream_t stream, const float* slices, int64_t count, int64_t rows, int32_t channels,
                const float* bias, bool relu, float* to);

template <typename Tiles>
Step run_conv(Prepare& prepare, const ConvCall& call, const Cut& cut) {
  return with_tile<Tiles>(
      cut.tile, call.width_x, call.width_w, call.deep, [&](auto tile, auto width_x, auto width_w, auto deep) -> Step {
        using T = decltype(tile);
        const Product on = cut_into<T>(call.product, cut.slices);
        const auto kernel = conv_kernel<T, decltype(width_x)::value, decltype(width_w)::value, decltype(deep)::value>;
        if (on.slices == 1) {
          return [=, c = call](cudaStream_t stream) {
            launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, c.x, c.w, c.bias, c.y,
                               c.relu);
          };
        }
        const int64_t elements = static_cast<int64_t>(on.m) * call.shape.all_o;
        const Workspace workspace = prepare.workspace(static_cast<size_t>(on.slices * elements) * sizeof(float));
        return [=, c = call](cudaStream_t stream) {
          float* const partial = static_cast<float*>(workspace.data());
          launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, c.x, c.w, nullptr,
                             partial, false);
          add_slices(stream, partial, on.slices, on.m, c.shape.all_o, c.bias, c.relu, c.y);
        };
      });
}

// Partial results of `slices` slices, and the sum of them.
struct SliceSum {
  Workspace workspace;
  SumRun run;

  SliceSum(Prepare& prepare, int64_t slices, int64_t elements, bool accumulate)
      : workspace(prepare.workspace(bytes(slices, elements))),
        run(plan_sum(prepare, {1, slices, elements, 1.f, accumulate}, bytes(slices, elements))) {}

  float* partial() const { return static_cast<float*>(workspace.data()); }

 private:
  static size_t bytes(int64_t slices, int64_t elements) {
    return static_cast<size_t>(slices * elements) * sizeof(float);
  }
};

template <typename Tiles>
Step run_conv_dx(Prepare& prepare, const ConvDxCall& call, const Cut& cut) {
  return with_tile<Tiles>(
      cut.tile, call.width, call.width, call.deep, [&](auto tile, auto width, auto width_w, auto deep) -> Step {
        if constexpr (decltype(width)::value != decltype(width_w)::value) {
          return {};  // dy and w are read along the same channels
        } else {
          using T = decltype(tile);
          const auto kernel = conv_dx_kernel<T, decltype(width)::value, decltype(deep)::value>;
          std::vector<Product> products;
          for (const ConvDxClass& c : call.classes) products.push_back(cut_into<T>(c.product, cut.slices));
          const auto launch_classes = [=, c = call](cudaStream_t stream, float* to, bool accumulate) {
            for (size_t i = 0; i < products.size(); i++) {
              launch_cooperating(stream, kernel, grid_of(products[i]), dim3(kTileThreads), 0, c.classes[i].shape,
                                 c.classes[i].of, products[i], c.dy, c.w, to, c.elements, accumulate);
            }
          };
          if (cut.slices == 1) {
            return [=, c = call](cudaStream_t stream) { launch_classes(stream, c.dx, c.accumulate); };
          }
          const SliceSum sum(prepare, cut.slices, call.elements, call.accumulate);
          return [=, dx = call.dx](cudaStream_t stream) {
            launch_classes(stream, sum.partial(), false);
            sum.run(stream, sum.partial(), dx);
          };
        }
      });
}

template <typename Tiles>
Step run_conv_dw(Prepare& prepare, const ConvDwCall& call, const Cut& cut) {
  return with_tile<Tiles>(
      cut.tile, call.width_x, call.width_dy, call.deep, [&](auto tile, auto width_x, auto width_dy, auto deep) -> Step {
        using T = decltype(tile);
        const Product on = cut_into<T>(call.product, cut.slices);
        const auto kernel =
            conv_dw_kernel<T, decltype(width_x)::value, decltype(width_dy)::value, decltype(deep)::value>;
        if (on.slices == 1) {
          return [=, c = call](cudaStream_t stream) {
            launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, c.x, c.dy, c.dw,
                               c.accumulate);
          };
        }
        const SliceSum sum(prepare, on.slices, static_cast<int64_t>(on.m) * call.shape.all_o, call.accumulate);
        return [=, c = call](cudaStream_t stream) {
          launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, c.x, c.dy, sum.partial(),
                             false);
          sum.run(stream, sum.partial(), c.dw);
        };
      });
}

extern template Step run_conv<TensorTiles<Bfloat16>>(Prepare&, const ConvCall&, const Cut&);
extern template Step run_conv_dx<TensorTiles<Bfloat16>>(Prepare&, const ConvDxCall&, const Cut&);
extern template Step run_conv_dw<TensorTiles<Bfloat16>>(Prepare&, const ConvDwCall&, const Cut&);
extern template Step run_conv<TensorTiles<Tf32>>(Prepare&, const ConvCall&, const Cut&);
extern template Step run_conv_dx<TensorTiles<Tf32>>(Prepare&, const ConvDxCall&, const Cut&);
extern template Step run_conv_dw<TensorTiles<Tf32>>(Prepare&, const ConvDwCall&, const Cut&);

}  // namespace gradstep::cuda
