// conv and its two gradients on CUDA, channels last, in float32 (operands rounded to TF32 or bfloat16 where that is
// asked for): implicit GEMMs, so nothing is unfolded into memory. conv applies bias and relu as it writes; conv_dx can
// add to dx. conv_dw sums over every output pixel of the batch: the sum is cut into slices that run side by side, their
// results are added in order by a second launch, and dw is overwritten or added to. conv_dx is one launch for each
// class of elements (see conv.cuh). Groups run side by side in one grid; depthwise convolutions have kernels of their
// own (depthwise.cuh). All three write every element, in an order that depends on the shape and the device only.
#include <algorithm>
#include <numeric>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "cuda/prepare.h"
#include "generated/args/conv.h"
#include "ops/conv.cuh"
#include "ops/depthwise.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

using LargeTile = Tile<128, 64, 8>;
using NarrowTile = Tile<128, 32, 4>;  // few channels
using ThinTile = Tile<256, 16, 4>;    // very few
using SmallTile = Tile<64, 64, 4>;    // few rows

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

template <typename T>
Product tiled(Product product) {
  product.tiles_n = (product.n + T::kN - 1) / T::kN;
  product.tiles = product.tiles_n * ((product.m + T::kM - 1) / T::kM);
  return product;
}

template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_kernel(ConvShape s, Product product, const float* x, const float* w, const float* bias, float* y, bool relu) {
  const uint32_t row_begin = product.row_begin<T>();
  const int32_t column_begin = product.column_begin<T>();
  const uint32_t group = blockIdx.y * s.o;
  WindowLoader<T, kWidth, kDeep> a(s, x, row_begin, product.m);
  MatrixLoader<T, kWidth> b(w + group, s.o, s.all_o, column_begin, s.precision);
  Pack<float, 4> c[T::kTm];
  multiply<T>(a, b, 0, product.k, c);

  const int32_t column = column_begin + T::column();
  Pack<float, 4> offset{};
  if (bias) {
#pragma unroll
    for (int j = 0; j < 4; j++) offset.v[j] = column + j < s.o ? bias[group + column + j] : 0.f;
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
    write_four(y + static_cast<int64_t>(row) * s.all_o + group, column, s.o, c[i], false);
  }
}

// s: the class as a convolution whose x is dy and whose y is dx.
template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dx_kernel(ConvShape s, DxClass of, Product product, const float* dy, const float* w, float* dx,
                   bool accumulate) {
  const uint32_t row_begin = product.row_begin<T>();
  const int32_t column_begin = product.column_begin<T>();
  WindowLoader<T, kWidth, kDeep> a(s, dy, row_begin, product.m);
  TransposedKernelLoader<T, kWidth, kDeep> b(s, of, w, column_begin);
  Pack<float, 4> c[T::kTm];
  multiply<T>(a, b, 0, product.k, c);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const uint32_t row = row_begin + T::row(i);
    if (row >= product.m) continue;
    const Pixel at = pixel_at<kDeep>(s, row);
    int64_t plane = at.n;
    if constexpr (kDeep) plane = plane * of.d + of.first_d + static_cast<int32_t>(at.e) * of.stride_d;
    const int64_t y = of.first_h + static_cast<int32_t>(at.p) * of.stride_h;
    const int64_t x = of.first_w + static_cast<int32_t>(at.q) * of.stride_w;
    float* to = dx + ((plane * of.h + y) * of.w + x) * s.all_o + blockIdx.y * s.o;
    write_four(to, column_begin + T::column(), s.o, c[i], accumulate);
  }
}

// Slice blockIdx.x / tiles of the sum, to its own kernel gradient behind `to`.
template <typename T, int kWidth, bool kDeep>
__global__ void __launch_bounds__(kTileThreads, 2)
    conv_dw_kernel(ConvShape s, Product product, const float* x, const float* dy, float* to, bool accumulate) {
  const uint32_t row_begin = product.row_begin<T>();
  const int32_t column_begin = product.column_begin<T>();
  const uint32_t slice = blockIdx.x / product.tiles;
  const uint32_t k_begin = slice * product.slice_length;
  const uint32_t group = blockIdx.y * s.o;
  KernelPositionLoader<T, kWidth, kDeep> a(s, x, row_begin, product.m);
  MatrixLoader<T, kWidth> b(dy + group, s.o, s.all_o, column_begin, s.precision);
  Pack<float, 4> c[T::kTm];
  multiply<T>(a, b, k_begin, min(k_begin + product.slice_length, product.k), c);
  to += static_cast<int64_t>(slice) * product.m * s.all_o + group;
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const uint32_t row = row_begin + T::row(i);
    if (row >= product.m) continue;
    write_four(to + static_cast<int64_t>(row) * s.all_o, column_begin + T::column(), s.o, c[i], accumulate);
  }
}

Divider by(int32_t divisor) { return Divider(static_cast<uint32_t>(divisor)); }

bool is_deep(const Tensor& y) { return y.rank == 5; }

// x [N,(D,)H,W,·], w [(kd,)kh,kw,c,·] and y [N,(E,)P,Q,·] as one geometry. Tensors have fewer than 2^31 elements each.
template <typename Args>
ConvShape conv_shape(const Args& a, const Tensor& x, const Tensor& w, const Tensor& y) {
  constexpr int32_t kMostGroups = 65535;
  if (a.groups > kMostGroups) throw Error("ERR_SHAPE", "A convolution has at most 65535 groups");
  const int last = x.rank - 1;
  const bool deep = is_deep(x);
  ConvShape s{};
  s.d = deep ? x.dims[1] : 1;
  s.h = x.dims[last - 2];
  s.w = x.dims[last - 1];
  s.c = w.dims[last - 1];
  s.e = deep ? y.dims[1] : 1;
  s.p = y.dims[last - 2];
  s.q = y.dims[last - 1];
  s.o = y.dims[last] / a.groups;
  s.all_c = x.dims[last];
  s.all_o = y.dims[last];
  s.stride_d = a.stride_d;
  s.stride_h = a.stride_h;
  s.stride_w = a.stride_w;
  s.dilation_d = a.dilation_d;
  s.dilation_h = a.dilation_h;
  s.dilation_w = a.dilation_w;
  s.pad_front = a.pad_front;
  s.pad_top = a.pad_top;
  s.pad_left = a.pad_left;
  s.by_c = by(s.c);
  s.by_e = by(s.e);
  s.by_p = by(s.p);
  s.by_q = by(s.q);
  s.by_kernel_h = by(w.dims[last - 3]);
  s.by_kernel_w = by(w.dims[last - 2]);
  s.precision = precision_of(a);
  return s;
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
  if (!wide || tiled<LargeTile>(product).tiles * product.groups < fill) return either(SmallTile{});
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

// Calls run(kDeep) with whether the convolution goes over three axes.
template <typename Run>
Step with_axes(const Tensor& y, Run run) {
  return is_deep(y) ? run(std::true_type{}) : run(std::false_type{});
}

}  // namespace

Step conv(Prepare& prepare, const ConvArgs& args) {
  if (args.y.size() == 0) return nothing();
  if (is_depthwise(args.groups, args.w)) return depthwise(prepare, args);
  const ConvShape s = conv_shape(args, args.x, args.w, args.y);
  Product product{};
  product.m = static_cast<uint32_t>(args.y.size() / s.all_o);
  product.n = static_cast<uint32_t>(s.o);
  product.k = static_cast<uint32_t>(args.w.size() / s.all_o);
  product.groups = static_cast<uint32_t>(args.groups);
  const float* x = prepare.at(args.x);
  const float* w = prepare.at(args.w);
  const float* bias = prepare.at(args.bias);
  float* y = prepare.at(args.y);
  const bool relu = args.activation == ConvArgs::kActivationRelu;
  const bool wide = s.c % 4 == 0 && s.o % 4 == 0;
  return with_tile(product, wide, prepare.multiprocessors(), [&](auto tile, auto width) -> Step {
    return with_axes(args.y, [&](auto deep) -> Step {
      using T = decltype(tile);
      const Product on = tiled<T>(product);
      const auto kernel = conv_kernel<T, decltype(width)::value, decltype(deep)::value>;
      const dim3 grid(on.tiles, on.groups);
      return [=](cudaStream_t stream) {
        launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, s, on, x, w, bias, y, relu);
      };
    });
  });
}

Step conv_dx(Prepare& prepare, const ConvDxArgs& args) {
  if (args.dx.size() == 0) return nothing();
  if (is_depthwise(args.groups, args.w)) return depthwise_dx(prepare, args);
  const ConvShape forward = conv_shape(args, args.dx, args.w, args.dy);
  const int last = args.dx.rank - 1;
  const int32_t kernel_d = is_deep(args.dx) ? args.w.dims[0] : 1;
  const int32_t kernel_h = args.w.dims[last - 3], kernel_w = args.w.dims[last - 2];
  const float* dy = prepare.at(args.dy);
  const float* w = prepare.at(args.w);
  float* dx = prepare.at(args.dx);
  const bool accumulate = args.accumulate_dx != 0;
  std::vector<Step> classes;
  for (int32_t a = 0; a < forward.stride_d * forward.stride_h * forward.stride_w; a++) {
    const int32_t plane = a / forward.stride_w / forward.stride_h;
    const AxisClass in =
        axis_class(plane, forward.d, kernel_d, forward.stride_d, forward.dilation_d, forward.pad_front);
    const AxisClass down = axis_class(a / forward.stride_w % forward.stride_h, forward.h, kernel_h, forward.stride_h,
                                      forward.dilation_h, forward.pad_top);
    const AxisClass across =
        axis_class(a % forward.stride_w, forward.w, kernel_w, forward.stride_w, forward.dilation_w, forward.pad_left);
    if (in.count == 0 || down.count == 0 || across.count == 0) continue;
    ConvShape s{};
    s.d = forward.e;
    s.h = forward.p;
    s.w = forward.q;
    s.c = forward.o;
    s.e = in.count;
    s.p = down.count;
    s.q = across.count;
    s.o = forward.c;
    s.all_c = forward.all_o;
    s.all_o = forward.all_c;
    s.stride_d = s.stride_h = s.stride_w = 1;
    s.dilation_d = -in.dilation;
    s.dilation_h = -down.dilation;
    s.dilation_w = -across.dilation;
    s.pad_front = -in.shift;
    s.pad_top = -down.shift;
    s.pad_left = -across.shift;
    s.by_c = by(forward.o);
    s.by_e = by(in.count);
    s.by_p = by(down.count);
    s.by_q = by(across.count);
    s.by_kernel_h = by(std::max(1, down.taps));
    s.by_kernel_w = by(std::max(1, across.taps));
    s.precision = forward.precision;
    const DxClass of{forward.d,        forward.h,        forward.w,        in.first, down.first, across.first,
                     forward.stride_d, forward.stride_h, forward.stride_w, in.tap,   down.tap,   across.tap,
                     in.tap_step,      down.tap_step,    across.tap_step,  kernel_h, kernel_w};
    Product product{};
    product.m = static_cast<uint32_t>(args.dx.dims[0] * in.count * down.count * across.count);
    product.n = static_cast<uint32_t>(forward.c);
    product.k = static_cast<uint32_t>(in.taps * down.taps * across.taps * forward.o);
    product.groups = static_cast<uint32_t>(args.groups);
    classes.push_back(
        with_tile(product, forward.o % 4 == 0, prepare.multiprocessors(), [&](auto tile, auto width) -> Step {
          return with_axes(args.dx, [&](auto deep) -> Step {
            using T = decltype(tile);
            const Product on = tiled<T>(product);
            const auto kernel = conv_dx_kernel<T, decltype(width)::value, decltype(deep)::value>;
            const dim3 grid(on.tiles, on.groups);
            return [=](cudaStream_t stream) {
              launch_cooperating(stream, kernel, grid, dim3(kTileThreads), 0, s, of, on, dy, w, dx, accumulate);
            };
          });
        }));
  }
  return [classes](cudaStream_t stream) {
    for (const Step& step : classes) step(stream);
  };
}

Step conv_dw(Prepare& prepare, const ConvDwArgs& args) {
  if (args.dw.size() == 0) return nothing();
  if (is_depthwise(args.groups, args.dw)) return depthwise_dw(prepare, args);
  const ConvShape s = conv_shape(args, args.x, args.dw, args.dy);
  const float* x = prepare.at(args.x);
  const float* dy = prepare.at(args.dy);
  float* dw = prepare.at(args.dw);
  float* db = prepare.at(args.db);
  const bool accumulate = args.accumulate_dw != 0;
  const bool wide = s.c % 4 == 0 && s.o % 4 == 0;
  const int64_t pixels = args.dy.size() / s.all_o;
  const int64_t elements = args.dw.size();
  Product product{};
  product.m = static_cast<uint32_t>(elements / s.all_o);
  product.n = static_cast<uint32_t>(s.o);
  product.k = static_cast<uint32_t>(pixels);
  product.groups = static_cast<uint32_t>(args.groups);
  SumRun sum_bias;
  if (db) sum_bias = plan_sum(prepare, {1, pixels, s.all_o, 1.f, false});

  return with_tile(product, wide, 0, [&](auto tile, auto width) -> Step {
    return with_axes(args.dy, [&](auto deep) -> Step {
      using T = decltype(tile);
      // Two blocks a multiprocessor, slices no shorter than 128 pixels, at most 64 MiB of partial results.
      constexpr int64_t kShortest = 8 * T::kDepth, kMostBytes = 64 << 20;
      Product on = tiled<T>(product);
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
  });
}

}  // namespace gradstep::cuda
