// conv2d and its two gradients on CUDA, NHWC and HWIO, in float32: implicit GEMMs, so nothing is unfolded into memory.
// conv2d applies bias and relu as it writes; conv2d_dx can add to dx. conv2d_dw sums over every output pixel of the
// batch: the sum is cut into slices that run side by side, their results are added in order by a second launch, and dw
// is overwritten or added to. conv2d_dx is one launch for each class of elements (see conv2d.cuh).
// All three write every element, in an order that depends on the shape and the device only.
#include <algorithm>
#include <numeric>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "cuda/prepare.h"
#include "generated/args/conv2d.h"
#include "ops/conv2d.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

using LargeTile = Tile<128, 64, 8>;
using NarrowTile = Tile<128, 32, 4>;  // few channels
using ThinTile = Tile<256, 16, 4>;    // very few
using SmallTile = Tile<64, 64, 4>;    // few rows

// result [m, n] = the sum over k.
struct Product {
  uint32_t m, n, k;
  uint32_t tiles_n;       // tiles along n
  uint32_t tiles;         // all tiles
  uint32_t slice_length;  // conv2d_dw: pixels summed by one slice; a multiple of the tile's depth

  template <typename T>
  __device__ uint32_t row_begin() const {
    return blockIdx.x % tiles / tiles_n * T::kM;
  }
  template <typename T>
  __device__ int32_t column_begin() const {
    return static_cast<int32_t>(blockIdx.x % tiles_n * T::kN);
  }
};

template <typename T>
Product tiled(Product product) {
  product.tiles_n = (product.n + T::kN - 1) / T::kN;
  product.tiles = product.tiles_n * ((product.m + T::kM - 1) / T::kM);
  return product;
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv2d_kernel(ConvShape s, Product product, const float* x, const float* w, const float* bias, float* y,
                  bool relu) {
  const uint32_t row_begin = product.row_begin<T>();
  const int32_t column_begin = product.column_begin<T>();
  WindowLoader<T, kWidth> a(s, x, row_begin, product.m);
  MatrixLoader<T, kWidth> b(w, s.o, column_begin);
  Pack<float, 4> c[T::kTm];
  multiply<T>(a, b, 0, product.k, c);

  const int32_t column = column_begin + T::column();
  Pack<float, 4> offset{};
  if (bias) {
#pragma unroll
    for (int j = 0; j < 4; j++) offset.v[j] = column + j < s.o ? bias[column + j] : 0.f;
  }
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const uint32_t row = row_begin + T::row(i);
    if (row >= product.m) continue;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const float v = c[i].v[j] + offset.v[j];
      c[i].v[j] = relu ? scalar::relu(v) : v;
    }
    write_four(y + static_cast<int64_t>(row) * s.o, column, s.o, c[i], false);
  }
}

// s: the class as a convolution whose x is dy and whose y is dx.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv2d_dx_kernel(ConvShape s, DxClass of, Product product, const float* dy, const float* w, float* dx,
                     bool accumulate) {
  const uint32_t row_begin = product.row_begin<T>();
  const int32_t column_begin = product.column_begin<T>();
  WindowLoader<T, kWidth> a(s, dy, row_begin, product.m);
  TransposedKernelLoader<T, kWidth> b(s, of, w, column_begin);
  Pack<float, 4> c[T::kTm];
  multiply<T>(a, b, 0, product.k, c);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const uint32_t row = row_begin + T::row(i);
    if (row >= product.m) continue;
    uint32_t down, across;
    const int64_t n = s.by_p.divide(s.by_q.divide(row, across), down);
    const int64_t y = of.first_h + static_cast<int32_t>(down) * of.stride_h;
    const int64_t x = of.first_w + static_cast<int32_t>(across) * of.stride_w;
    write_four(dx + ((n * of.h + y) * of.w + x) * s.o, column_begin + T::column(), s.o, c[i], accumulate);
  }
}

// Slice blockIdx.x / tiles of the sum, to its own [m, n] matrix behind `to`.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv2d_dw_kernel(ConvShape s, Product product, const float* x, const float* dy, float* to, bool accumulate) {
  const uint32_t row_begin = product.row_begin<T>();
  const int32_t column_begin = product.column_begin<T>();
  const uint32_t slice = blockIdx.x / product.tiles;
  const uint32_t k_begin = slice * product.slice_length;
  KernelPositionLoader<T, kWidth> a(s, x, row_begin, product.m);
  MatrixLoader<T, kWidth> b(dy, s.o, column_begin);
  Pack<float, 4> c[T::kTm];
  multiply<T>(a, b, k_begin, min(k_begin + product.slice_length, product.k), c);
  to += static_cast<int64_t>(slice) * product.m * product.n;
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const uint32_t row = row_begin + T::row(i);
    if (row < product.m)
      write_four(to + static_cast<int64_t>(row) * s.o, column_begin + T::column(), s.o, c[i], accumulate);
  }
}

Divider by(int32_t divisor) { return Divider(static_cast<uint32_t>(divisor)); }

// x [N,H,W,C], w [R,S,C,O] and y [N,P,Q,O] as one geometry.
template <typename Args>
ConvShape conv_shape(const Args& a, const int32_t* x, const int32_t* w, const int32_t* y) {
  constexpr int64_t kLimit = int64_t{1} << 31;
  const int64_t sizes[] = {int64_t{x[0]} * x[1] * x[2], int64_t{y[0]} * y[1] * y[2], int64_t{x[1]} * x[2] * x[3],
                           int64_t{y[1]} * y[2] * y[3], int64_t{w[0]} * w[1] * std::max(w[2], w[3])};
  if (*std::max_element(std::begin(sizes), std::end(sizes)) >= kLimit) {
    throw Error("ERR_SHAPE",
                "A convolution handles fewer than 2^31 pixels at a time, and images of fewer than 2^31 elements");
  }
  return {x[1],         x[2],         x[3],      y[1],       y[2],     y[3],     a.stride_h, a.stride_w,
          a.dilation_h, a.dilation_w, a.pad_top, a.pad_left, by(x[3]), by(y[1]), by(y[2]),   by(w[1])};
}

template <int kWidth>
using Width = std::integral_constant<int, kWidth>;

// Calls run(tile, width) with the tile that fits an [m, n] result best, and the number of channels to read at a time.
// `fill`: blocks that would fill the device; 0 where the sum can be cut into slices that do.
template <typename Run>
Step with_tile(const Product& product, bool wide, uint32_t fill, Run run) {
  const auto either = [&](auto tile) { return wide ? run(tile, Width<4>{}) : run(tile, Width<1>{}); };
  if (product.m <= SmallTile::kM) return either(SmallTile{});
  if (wide && product.n <= ThinTile::kN) return run(ThinTile{}, Width<4>{});
  if (product.n <= NarrowTile::kN) return either(NarrowTile{});
  // Read one channel at a time, the large tile would need more registers than there are.
  if (!wide || tiled<LargeTile>(product).tiles < fill) return either(SmallTile{});
  return run(LargeTile{}, Width<4>{});
}

// Along one axis, the elements of x at which (element + pad) modulo the stride is `remainder`. Element t of them is
// touched by tap u (position tap + u * tap_step) of window t + shift - u * dilation.
struct AxisClass {
  int32_t first, count;
  int32_t tap, tap_step, taps;
  int32_t shift, dilation;
};

AxisClass axis_class(int32_t remainder, int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t pad) {
  AxisClass axis{};
  axis.first = ((remainder - pad) % stride + stride) % stride;
  axis.count = axis.first < size ? (size - axis.first - 1) / stride + 1 : 0;
  axis.tap_step = stride / std::gcd(stride, dilation);
  axis.dilation = axis.tap_step * dilation / stride;
  for (int32_t i = kernel - 1; i >= 0; i--) {
    if (static_cast<int64_t>(i) * dilation % stride != remainder) continue;
    axis.tap = i;
    axis.taps++;
  }
  axis.shift = (axis.first + pad - axis.tap * dilation) / stride;
  return axis;
}

Step nothing() {
  return [](cudaStream_t) {};
}

}  // namespace

Step conv2d(Prepare& prepare, const Conv2dArgs& args) {
  if (args.y.size() == 0) return nothing();
  const ConvShape s = conv_shape(args, args.x.dims, args.w.dims, args.y.dims);
  Product product{};
  product.m = static_cast<uint32_t>(args.y.size() / s.o);
  product.n = static_cast<uint32_t>(s.o);
  product.k = static_cast<uint32_t>(args.w.size() / s.o);
  const float* x = prepare.at(args.x);
  const float* w = prepare.at(args.w);
  const float* bias = prepare.at(args.bias);
  float* y = prepare.at(args.y);
  const bool relu = args.activation == Conv2dArgs::kActivationRelu;
  const bool wide = s.c % 4 == 0 && s.o % 4 == 0;
  return with_tile(product, wide, prepare.multiprocessors(), [&](auto tile, auto width) -> Step {
    using T = decltype(tile);
    const Product on = tiled<T>(product);
    const auto kernel = conv2d_kernel<T, decltype(width)::value>;
    return [=](cudaStream_t stream) {
      launch_cooperating(stream, kernel, dim3(on.tiles), dim3(kTileThreads), 0, s, on, x, w, bias, y, relu);
    };
  });
}

Step conv2d_dx(Prepare& prepare, const Conv2dDxArgs& args) {
  if (args.dx.size() == 0) return nothing();
  const ConvShape forward = conv_shape(args, args.dx.dims, args.w.dims, args.dy.dims);
  const float* dy = prepare.at(args.dy);
  const float* w = prepare.at(args.w);
  float* dx = prepare.at(args.dx);
  const bool accumulate = args.accumulate_dx != 0;
  std::vector<Step> classes;
  for (int32_t a = 0; a < forward.stride_h * forward.stride_w; a++) {
    const AxisClass down = axis_class(a / forward.stride_w, forward.h, args.w.dims[0], forward.stride_h,
                                      forward.dilation_h, forward.pad_top);
    const AxisClass across = axis_class(a % forward.stride_w, forward.w, args.w.dims[1], forward.stride_w,
                                        forward.dilation_w, forward.pad_left);
    if (down.count == 0 || across.count == 0) continue;
    const ConvShape s{forward.p,
                      forward.q,
                      forward.o,
                      down.count,
                      across.count,
                      forward.c,
                      1,
                      1,
                      -down.dilation,
                      -across.dilation,
                      -down.shift,
                      -across.shift,
                      by(forward.o),
                      by(down.count),
                      by(across.count),
                      by(std::max(1, across.taps))};
    const DxClass of{forward.h, forward.w,  down.first,    across.first,    forward.stride_h, forward.stride_w,
                     down.tap,  across.tap, down.tap_step, across.tap_step, args.w.dims[1]};
    Product product{};
    product.m = static_cast<uint32_t>(args.dx.dims[0] * down.count * across.count);
    product.n = static_cast<uint32_t>(forward.c);
    product.k = static_cast<uint32_t>(down.taps * across.taps * forward.o);
    classes.push_back(
        with_tile(product, forward.o % 4 == 0, prepare.multiprocessors(), [&](auto tile, auto width) -> Step {
          using T = decltype(tile);
          const Product on = tiled<T>(product);
          const auto kernel = conv2d_dx_kernel<T, decltype(width)::value>;
          return [=](cudaStream_t stream) {
            launch_cooperating(stream, kernel, dim3(on.tiles), dim3(kTileThreads), 0, s, of, on, dy, w, dx, accumulate);
          };
        }));
  }
  return [classes](cudaStream_t stream) {
    for (const Step& step : classes) step(stream);
  };
}

Step conv2d_dw(Prepare& prepare, const Conv2dDwArgs& args) {
  if (args.dw.size() == 0) return nothing();
  const ConvShape s = conv_shape(args, args.x.dims, args.dw.dims, args.dy.dims);
  const float* x = prepare.at(args.x);
  const float* dy = prepare.at(args.dy);
  float* dw = prepare.at(args.dw);
  float* db = prepare.at(args.db);
  const bool accumulate = args.accumulate_dw != 0;
  const bool wide = s.c % 4 == 0 && s.o % 4 == 0;
  const int64_t pixels = args.dy.size() / s.o;
  const int64_t elements = args.dw.size();
  Product product{};
  product.m = static_cast<uint32_t>(elements / s.o);
  product.n = static_cast<uint32_t>(s.o);
  product.k = static_cast<uint32_t>(pixels);
  SumRun sum_bias;
  if (db) sum_bias = plan_sum(prepare, {1, pixels, s.o, 1.f, false});

  return with_tile(product, wide, 0, [&](auto tile, auto width) -> Step {
    using T = decltype(tile);
    // Two blocks a multiprocessor, slices no shorter than 128 pixels, at most 64 MiB of partial results.
    constexpr int64_t kShortest = 8 * T::kDepth, kMostBytes = 64 << 20;
    Product on = tiled<T>(product);
    const int64_t wanted = (2 * prepare.multiprocessors() + on.tiles - 1) / on.tiles;
    const int64_t most = std::min(pixels / kShortest, kMostBytes / (elements * static_cast<int64_t>(sizeof(float))));
    const int64_t cut = std::max<int64_t>(1, std::min(wanted, most));
    const int64_t depth = (pixels + cut - 1) / cut;
    on.slice_length = static_cast<uint32_t>(std::max<int64_t>(1, (depth + T::kDepth - 1) / T::kDepth) * T::kDepth);
    const int64_t slices = std::max<int64_t>(1, (pixels + on.slice_length - 1) / on.slice_length);
    const auto kernel = conv2d_dw_kernel<T, decltype(width)::value>;
    const dim3 grid(static_cast<unsigned>(on.tiles * slices));
    if (slices == 1) {
      return [=](cudaStream_t stream) {
        if (sum_bias) sum_bias(stream, dy, db);
        launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, s, on, x, dy, dw, accumulate);
      };
    }
    const size_t bytes = static_cast<size_t>(slices * elements) * sizeof(float);
    const Workspace workspace = prepare.workspace(bytes);
    const SumRun sum_slices = plan_sum(prepare, {1, slices, elements, 1.f, accumulate}, bytes);
    return [=](cudaStream_t stream) {
      if (sum_bias) sum_bias(stream, dy, db);
      float* partial = static_cast<float*>(workspace.data());
      launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, s, on, x, dy, partial, false);
      sum_slices(stream, partial, dw);
    };
  });
}

}  // namespace gradstep::cuda
