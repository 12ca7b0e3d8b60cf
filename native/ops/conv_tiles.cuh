// A convolution or a gradient of one as a matrix product (see conv.cuh), and the kernels that compute it in tiles.
// Which tiles there are is a family's affair: FmaTiles multiply in float32, TensorTiles on tensor cores
// (cuda/tensor_tile.cuh), with operands that the tile rounds, or that are stored in bfloat16. A family reads both
// operands in one type; those that are stored in the other are converted before (conv_operands.cuh). Results may be
// either. conv.cu makes the calls and has the kernels of FmaTiles, conv_bfloat16.cu, conv_stored.cu and conv_tf32.cu
// those of TensorTiles.
#pragma once

#include <algorithm>
#include <tuple>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "cuda/prepare.h"
#include "cuda/tensor_tile.cuh"
#include "ops/conv.cuh"
#include "ops/conv_ending.cuh"
#include "ops/conv_operands.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {

// result [m, n] = the sum over k, for each group. Blocks: x tiles, those side by side along n first; y groups; z slices
// of the sum, each with a result of its own.
struct ConvProduct {
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

  __device__ explicit BlockPart(const ConvProduct& p) {
    uint32_t tile_n;
    row = p.by_tiles_n.divide(blockIdx.x, tile_n) * T::kM;
    column = static_cast<int32_t>(tile_n * T::kN);
    k_begin = blockIdx.z * p.slice_length;
    k_end = min(k_begin + p.slice_length, p.k);
  }
};

// How many channels of both operands are read at a time: the same number, or those of the first one by one.
struct Widths {
  int a, b;
};

// What is to be computed. deep: over three axes.
struct ConvCall {
  ConvShape shape;
  ConvProduct product;
  bool deep;
  Widths widths;
  Tensor x, w;
  const float* bias;
  bool relu;
  Floats y;
};
struct ConvDxClass {  // shape: the class as a convolution whose x is dy and whose y is dx
  ConvShape shape;
  DxClass of;
  ConvProduct product;
};
struct ConvDxCall {
  std::vector<ConvDxClass> classes;
  bool deep;
  Widths widths;
  Tensor dy, w;
  Ending dx;
  int64_t elements;  // of dx
};
struct ConvDwCall {
  ConvShape shape;
  ConvProduct product;
  bool deep;
  Widths widths;
  Tensor x, dy;
  float* dw;
  bool accumulate;
};

// ---- kernels ----

template <typename T, int kWidthX, int kWidthW, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_kernel(ConvShape s, ConvProduct product, const typename T::Stored* x, const typename T::Stored* w,
                const float* bias, bool relu, Floats y) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const BlockPart<T> part(product);
    const uint32_t group = blockIdx.y * s.o;
    WindowLoader<T, kWidthX, kDeep> a(s, x, part.row, product.m, part.k_begin, part.k_end);
    MatrixLoader<T, kWidthW> b(w, group, s.o, s.all_o, part.column, s.precision);
    typename T::Results c;
    multiply<T>(a, b, part.k_begin, part.k_end, c);
    const Ending ending{slice_of(y, static_cast<int64_t>(product.m) * s.all_o), {}, false};

    Pack<float, 4> offset[T::kQuads] = {};
    if (bias) {
#pragma unroll
      for (int j = 0; j < T::kQuads; j++) {
        const int32_t column = part.column + T::quad_column(j);
#pragma unroll
        for (int e = 0; e < 4; e++) offset[j].v[e] = column + e < s.o ? bias[group + column + e] : 0.f;
      }
    }
    const auto end = [&](auto whole) {
#pragma unroll
      for (int i = 0; i < T::kRows; i++) {
        const uint32_t row = part.row + T::row(i);
#pragma unroll
        for (int j = 0; j < T::kQuads; j++) {
          Pack<float, 4> sums = T::quad(c, i, j);
          if (row >= product.m) continue;
#pragma unroll
          for (int e = 0; e < 4; e++) {
            const float v = sums.v[e] + offset[j].v[e];
            sums.v[e] = relu ? scalar::relu(v) : v;
          }
          end_quad<decltype(whole)::value>(ending, group + row * s.all_o, part.column + T::quad_column(j), s.o, sums);
        }
      }
    };
    if (kWidthW > 1 || s.o % 4 == 0) {
      end(std::true_type{});
    } else {
      end(std::false_type{});
    }
  }
}

// `slice_elements`: of dx, which every slice has one of.
template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dx_kernel(ConvShape s, DxClass of, ConvProduct product, const typename T::Stored* dy,
                   const typename T::Stored* w, int64_t slice_elements, Ending dx) {
  if constexpr (!T::kAvailable) {
    trap();
  } else {
    const BlockPart<T> part(product);
    WindowLoader<T, kWidth, kDeep> a(s, dy, part.row, product.m, part.k_begin, part.k_end);
    TransposedKernelLoader<T, kWidth, kDeep> b(s, of, w, part.column, part.k_begin, part.k_end);
    typename T::Results c;
    multiply<T>(a, b, part.k_begin, part.k_end, c);
    dx.to = slice_of(dx.to, slice_elements);
    const auto end = [&](auto whole) {
#pragma unroll
      for (int i = 0; i < T::kRows; i++) {
        const uint32_t row = part.row + T::row(i);
        const Pixel at = pixel_at<kDeep>(s, row);
        uint32_t plane = at.n;
        if constexpr (kDeep) plane = plane * of.d + of.first_d + at.e * of.stride_d;
        const uint32_t y = of.first_h + at.p * of.stride_h;
        const uint32_t x = of.first_w + at.q * of.stride_w;
        const uint32_t to = ((plane * of.h + y) * of.w + x) * s.all_o + blockIdx.y * s.o;
#pragma unroll
        for (int j = 0; j < T::kQuads; j++) {
          const Pack<float, 4> sums = T::quad(c, i, j);
          if (row >= product.m) continue;
          end_quad<decltype(whole)::value>(dx, to, part.column + T::quad_column(j), s.o, sums);
        }
      }
    };
    if (s.o % 4 == 0) {
      end(std::true_type{});
    } else {
      end(std::false_type{});
    }
  }
}

template <typename T, int kWidthX, int kWidthDy, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dw_kernel(ConvShape s, ConvProduct product, const typename T::Stored* x, const typename T::Stored* dy,
                   float* to, bool accumulate) {
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

// A tile of a family, and what it is compiled for besides wide channels over two axes: three axes; channels that cannot
// be read as many at a time.
template <typename Tile_, bool kDeep_, bool kNarrow_ = false>
struct Offer {
  using Tile = Tile_;
  static constexpr bool kDeep = kDeep_, kNarrow = kNarrow_;
};

// Tiles by how much is multiplied for every number that is read, most first. All read operands of one type.
struct FmaTiles {
  static constexpr bool kReadsNarrow = false;
  // Read one channel at a time, the first would need more registers than there are.
  using Offers = std::tuple<Offer<Tile<128, 64, 8>, true>, Offer<Tile<64, 64, 4>, true, true>,
                            Offer<Tile<128, 32, 4>, true, true>, Offer<Tile<256, 16, 4>, true>>;
};

template <typename Type>
struct TensorTiles {
  static constexpr bool kReadsNarrow = !std::is_same_v<typename Type::Stored, float>;
  using Offers = std::tuple<Offer<TensorTile<Type, 128, 64, 4>, true>, Offer<TensorTile<Type, 64, 64, 4>, false>,
                            Offer<TensorTile<Type, 128, 32, 4>, true>, Offer<TensorTile<Type, 64, 32, 4>, true, true>,
                            Offer<TensorTile<Type, 256, 16, 8>, false>>;
};

// How many channels a family reads at a time at most.
template <typename Tiles>
constexpr int kWideOf = std::tuple_element_t<0, typename Tiles::Offers>::Tile::kWide;

// ... of two operands whose channels are so many.
template <typename Tiles>
Widths widths_of(int32_t channels_a, int32_t channels_b) {
  constexpr int kWide = kWideOf<Tiles>;
  for (int width = kWide; width > 1; width -= 4) {
    if (channels_a % width == 0 && channels_b % width == 0) return {width, width};
  }
  return {1, channels_b % kWide == 0 ? kWide : 1};
}

// Calls run(tile, width of A, width of B, deep) for the family's tile of that number.
template <typename Tiles, size_t kFirst = 0, typename Run>
Step with_tile(int tile, Widths widths, bool deep, Run run) {
  constexpr int kWide = kWideOf<Tiles>;
  if constexpr (kFirst == std::tuple_size_v<typename Tiles::Offers>) {
    throw Error("ERR_INTERNAL", "There is no such tile for a convolution");
  } else {
    if (tile != static_cast<int>(kFirst)) return with_tile<Tiles, kFirst + 1>(tile, widths, deep, run);
    using Offer = std::tuple_element_t<kFirst, typename Tiles::Offers>;
    using T = typename Offer::Tile;
    const auto by_axes = [&](auto width) {
      if constexpr (Offer::kDeep) {
        if (deep) return run(T{}, width, width, std::true_type{});
      }
      return run(T{}, width, width, std::false_type{});
    };
    if (widths.a == kWide) return by_axes(Width<kWide>{});
    if constexpr (Offer::kNarrow) {
      if constexpr (kWide == 8) {
        if (widths.a == 4) return by_axes(Width<4>{});
      }
      if (deep || widths.b == 1) return by_axes(Width<1>{});
      return run(T{}, Width<1>{}, Width<kWide>{}, std::false_type{});
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
ConvProduct cut_into(ConvProduct product, int64_t slices) {
  const uint32_t tiles_n = (product.n + T::kN - 1) / T::kN;
  product.tiles = tiles_n * ((product.m + T::kM - 1) / T::kM);
  product.by_tiles_n = Divider(tiles_n);
  const int64_t length = (product.k + slices - 1) / slices;
  product.slices = static_cast<uint32_t>(slices);
  product.slice_length = static_cast<uint32_t>(std::max<int64_t>(1, (length + T::kDepth - 1) / T::kDepth) * T::kDepth);
  return product;
}

inline dim3 grid_of(const ConvProduct& p) { return dim3(p.tiles, p.groups, p.slices); }

// Partial results of `slices` slices, behind the operands in the step's workspace.
class Partial {
 public:
  Partial(Prepare& prepare, size_t offset, int64_t slices, int64_t elements)
      : offset_(offset),
        end_(offset + static_cast<size_t>(slices * elements) * sizeof(float)),
        workspace_(prepare.workspace(end_)) {}

  float* data() const { return reinterpret_cast<float*>(static_cast<char*>(workspace_.data()) + offset_); }
  size_t end() const { return end_; }

 private:
  size_t offset_, end_;
  Workspace workspace_;
};

template <typename Tiles>
Step run_conv(Prepare& prepare, const ConvCall& call, const Cut& cut) {
  return with_tile<Tiles>(
      cut.tile, call.widths, call.deep, [&](auto tile, auto width_x, auto width_w, auto deep) -> Step {
        using T = decltype(tile);
        const ConvOperands<typename T::Stored> operands(prepare, call.x, call.w);
        const ConvProduct on = cut_into<T>(call.product, cut.slices);
        const auto kernel = conv_kernel<T, decltype(width_x)::value, decltype(width_w)::value, decltype(deep)::value>;
        if (on.slices == 1) {
          return [=, c = call](cudaStream_t stream) {
            const auto [x, w] = operands.ready(stream);
            launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, x, w, c.bias, c.relu,
                               c.y);
          };
        }
        const Partial partial(prepare, operands.bytes(), on.slices, static_cast<int64_t>(on.m) * call.shape.all_o);
        return [=, c = call](cudaStream_t stream) {
          const auto [x, w] = operands.ready(stream);
          const Floats sums{partial.data(), false};
          launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, x, w, nullptr, false,
                             sums);
          add_slices(stream, sums, on.slices, on.m, c.shape.all_o, c.bias, c.relu, {c.y, {}, false});
        };
      });
}

template <typename Tiles>
Step run_conv_dx(Prepare& prepare, const ConvDxCall& call, const Cut& cut) {
  return with_tile<Tiles>(
      cut.tile, call.widths, call.deep, [&](auto tile, auto width, auto width_w, auto deep) -> Step {
        if constexpr (decltype(width)::value != decltype(width_w)::value) {
          return {};  // dy and w are read along the same channels
        } else {
          using T = decltype(tile);
          const ConvOperands<typename T::Stored> operands(prepare, call.dy, call.w);
          const auto kernel = conv_dx_kernel<T, decltype(width)::value, decltype(deep)::value>;
          std::vector<ConvProduct> products;
          for (const ConvDxClass& c : call.classes) products.push_back(cut_into<T>(c.product, cut.slices));
          const auto launch_classes = [=, c = call](cudaStream_t stream, const Ending& to) {
            const auto [dy, w] = operands.ready(stream);
            for (size_t i = 0; i < products.size(); i++) {
              launch_cooperating(stream, kernel, grid_of(products[i]), dim3(kTileThreads), 0, c.classes[i].shape,
                                 c.classes[i].of, products[i], dy, w, c.elements, to);
            }
          };
          if (cut.slices == 1) {
            return [=, dx = call.dx](cudaStream_t stream) { launch_classes(stream, dx); };
          }
          const Partial partial(prepare, operands.bytes(), cut.slices, call.elements);
          const int32_t channels = call.classes[0].shape.all_o;
          return [=, dx = call.dx, rows = call.elements / channels](cudaStream_t stream) {
            const Floats sums{partial.data(), false};
            launch_classes(stream, {sums, {}, false});
            add_slices(stream, sums, cut.slices, rows, channels, nullptr, false, dx);
          };
        }
      });
}

template <typename Tiles>
Step run_conv_dw(Prepare& prepare, const ConvDwCall& call, const Cut& cut) {
  return with_tile<Tiles>(
      cut.tile, call.widths, call.deep, [&](auto tile, auto width_x, auto width_dy, auto deep) -> Step {
        using T = decltype(tile);
        const ConvOperands<typename T::Stored> operands(prepare, call.x, call.dy);
        const ConvProduct on = cut_into<T>(call.product, cut.slices);
        const auto kernel =
            conv_dw_kernel<T, decltype(width_x)::value, decltype(width_dy)::value, decltype(deep)::value>;
        if (on.slices == 1) {
          return [=, c = call](cudaStream_t stream) {
            const auto [x, dy] = operands.ready(stream);
            launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, x, dy, c.dw,
                               c.accumulate);
          };
        }
        const int64_t elements = static_cast<int64_t>(on.m) * call.shape.all_o;
        const Partial partial(prepare, operands.bytes(), on.slices, elements);
        const SumRun sum = plan_sum(prepare, {1, on.slices, elements, 1.f, call.accumulate}, partial.end());
        return [=, c = call](cudaStream_t stream) {
          const auto [x, dy] = operands.ready(stream);
          launch_cooperating(stream, kernel, grid_of(on), dim3(kTileThreads), 0, c.shape, on, x, dy, partial.data(),
                             false);
          sum(stream, partial.data(), c.dw);
        };
      });
}

extern template Step run_conv<TensorTiles<RoundedBfloat16>>(Prepare&, const ConvCall&, const Cut&);
extern template Step run_conv_dx<TensorTiles<RoundedBfloat16>>(Prepare&, const ConvDxCall&, const Cut&);
extern template Step run_conv_dw<TensorTiles<RoundedBfloat16>>(Prepare&, const ConvDwCall&, const Cut&);
extern template Step run_conv<TensorTiles<StoredBfloat16>>(Prepare&, const ConvCall&, const Cut&);
extern template Step run_conv_dx<TensorTiles<StoredBfloat16>>(Prepare&, const ConvDxCall&, const Cut&);
extern template Step run_conv_dw<TensorTiles<StoredBfloat16>>(Prepare&, const ConvDwCall&, const Cut&);
extern template Step run_conv<TensorTiles<Tf32>>(Prepare&, const ConvCall&, const Cut&);
extern template Step run_conv_dx<TensorTiles<Tf32>>(Prepare&, const ConvDxCall&, const Cut&);
extern template Step run_conv_dw<TensorTiles<Tf32>>(Prepare&, const ConvDwCall&, const Cut&);

}  // namespace gradstep::cuda
