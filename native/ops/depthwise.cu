// Depthwise convolution and its gradients on CUDA, channels last: each of the C input channels makes `times` output
// channels of its own, o = c * times + m, over two or three axes. Bound by memory, so no matrix products: a block is
// channels x pixels, threads along the channels (four each where C allows) read side by side. Forward and input
// gradient take four neighbours along W at a time and read each weight once for them. The kernel gradient keeps the
// sums of nine taps at a time, cuts the pixels into slices that run side by side, and adds their results in order.
// Kernels are compiled for both types of the image that they read over and over, S; of all else a branch tells the
// type.
#include <algorithm>
#include <type_traits>

#include "cuda/divide.h"
#include "cuda/operand.h"
#include "cuda/stored.h"
#include "ops/conv_ending.cuh"
#include "ops/depthwise.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

constexpr int kPixels = 4;  // neighbours along W of one thread
constexpr int kTaps = 9;    // of the kernel gradient at a time

struct DepthwiseShape {
  int32_t d, h, w, c;  // x [N, d, h, w, c]
  int32_t e, p, q, o;  // y [N, e, p, q, o]
  int32_t kernel_d, kernel_h, kernel_w, times;
  int32_t stride_d, stride_h, stride_w, dilation_d, dilation_h, dilation_w, pad_front, pad_top, pad_left;
  Divider by_times, by_stride_d, by_stride_h, by_stride_w, by_kernel_h, by_kernel_w;
  Precision precision;  // of what products multiply
};

// The pixels of the tensor that is written, kPixels along its last axis at a time, as blocks see them.
struct Runs {
  uint32_t count;
  Divider by_row, by_plane, by_image;  // runs of a row, rows of a plane, planes of an image

  // This thread's run; false beyond the last.
  __device__ bool at(int32_t& n, int32_t& d, int32_t& h, int32_t& w) const {
    const int64_t number = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
    if (number >= count) return false;
    uint32_t run, row, plane;
    const uint32_t planes = by_plane.divide(by_row.divide(static_cast<uint32_t>(number), run), row);
    n = static_cast<int32_t>(by_image.divide(planes, plane));
    d = static_cast<int32_t>(plane);
    h = static_cast<int32_t>(row);
    w = static_cast<int32_t>(run) * kPixels;
    return true;
  }
};

template <int kWidth>
__device__ inline void multiply_add(Pack<float, kWidth>& sum, const Pack<float, kWidth>& a,
                                    const Pack<float, kWidth>& b, Precision precision) {
  const Pack<float, kWidth> x = operand(a, precision), y = operand(b, precision);
#pragma unroll
  for (int k = 0; k < kWidth; k++) sum.v[k] += x.v[k] * y.v[k];
}

// Writes y. kWidth is 4 only where times is 1.
template <int kWidth, typename S>
__global__ void __launch_bounds__(kThreads, 3)
    depthwise_kernel(DepthwiseShape s, Runs runs, const S* x, Stored w, const float* bias, bool relu, Stored y) {
  int32_t n, e, p, q;
  if (!runs.at(n, e, p, q)) return;
  const int64_t image = static_cast<int64_t>(n) * s.d;
  const int64_t row = ((static_cast<int64_t>(n) * s.e + e) * s.p + p) * s.q;
  for (int32_t o = static_cast<int32_t>(threadIdx.x) * kWidth; o < s.o; o += blockDim.x * kWidth) {
    const int32_t c = kWidth == 1 ? static_cast<int32_t>(s.by_times.quotient(o)) : o;
    Pack<float, kWidth> sums[kPixels] = {};
    if (bias) {
#pragma unroll
      for (int t = 0; t < kPixels; t++) sums[t] = load_pack<kWidth>(bias + o);
    }
    for (int32_t a = 0; a < s.kernel_d; a++) {
      const int32_t z = e * s.stride_d - s.pad_front + a * s.dilation_d;
      if (z < 0 || z >= s.d) continue;
      for (int32_t i = 0; i < s.kernel_h; i++) {
        const int32_t down = p * s.stride_h - s.pad_top + i * s.dilation_h;
        if (down < 0 || down >= s.h) continue;
        const S* line = x + ((image + z) * s.h + down) * s.w * s.c + c;
        const int64_t weights = static_cast<int64_t>((a * s.kernel_h + i) * s.kernel_w) * s.o + o;
        for (int32_t j = 0; j < s.kernel_w; j++) {
          const Pack<float, kWidth> weight = load_wide<kWidth>(w + weights + static_cast<int64_t>(j) * s.o);
          const int32_t first = q * s.stride_w - s.pad_left + j * s.dilation_w;
#pragma unroll
          for (int t = 0; t < kPixels; t++) {
            const int32_t across = first + t * s.stride_w;
            if (across < 0 || across >= s.w) continue;
            multiply_add(sums[t], load_wide<kWidth>(line + static_cast<int64_t>(across) * s.c), weight, s.precision);
          }
        }
      }
    }
#pragma unroll
    for (int t = 0; t < kPixels; t++) {
      if (q + t >= s.q) continue;
#pragma unroll
      for (int k = 0; k < kWidth; k++) sums[t].v[k] = relu ? scalar::relu(sums[t].v[k]) : sums[t].v[k];
      store_narrow<kWidth>(y + (row + q + t) * s.o + o, sums[t]);
    }
  }
}

// The window whose element at `reach` beyond its beginning is a given position, or -1: reach is position + pad - tap.
__device__ inline int32_t window_of(int32_t reach, const Divider& by_stride, int32_t windows) {
  if (reach < 0) return -1;
  uint32_t rest;
  const int32_t window = static_cast<int32_t>(by_stride.divide(static_cast<uint32_t>(reach), rest));
  return rest == 0 && window < windows ? window : -1;
}

// Writes dx, or adds to it. kWidth is 4 only where times is 1.
template <int kWidth, typename S>
__global__ void __launch_bounds__(kThreads, 3)
    depthwise_dx_kernel(DepthwiseShape s, Runs runs, const S* dy, Stored w, Ending dx) {
  int32_t n, d, h, across;
  if (!runs.at(n, d, h, across)) return;
  const int64_t row = ((static_cast<int64_t>(n) * s.d + d) * s.h + h) * s.w;
  for (int32_t c = static_cast<int32_t>(threadIdx.x) * kWidth; c < s.c; c += blockDim.x * kWidth) {
    Pack<float, kWidth> sums[kPixels] = {};
    for (int32_t a = 0; a < s.kernel_d; a++) {
      const int32_t e = window_of(d + s.pad_front - a * s.dilation_d, s.by_stride_d, s.e);
      if (e < 0) continue;
      for (int32_t i = 0; i < s.kernel_h; i++) {
        const int32_t p = window_of(h + s.pad_top - i * s.dilation_h, s.by_stride_h, s.p);
        if (p < 0) continue;
        const S* line = dy + ((static_cast<int64_t>(n) * s.e + e) * s.p + p) * s.q * s.o + c * s.times;
        const int64_t weights = static_cast<int64_t>((a * s.kernel_h + i) * s.kernel_w) * s.o + c * s.times;
        for (int32_t j = 0; j < s.kernel_w; j++) {
          int32_t q[kPixels];
#pragma unroll
          for (int t = 0; t < kPixels; t++) {
            q[t] = window_of(across + t + s.pad_left - j * s.dilation_w, s.by_stride_w, s.q);
          }
          for (int32_t m = 0; m < (kWidth == 1 ? s.times : 1); m++) {
            const Pack<float, kWidth> weight = load_wide<kWidth>(w + weights + static_cast<int64_t>(j) * s.o + m);
#pragma unroll
            for (int t = 0; t < kPixels; t++) {
              if (q[t] < 0) continue;
              multiply_add(sums[t], load_wide<kWidth>(line + static_cast<int64_t>(q[t]) * s.o + m), weight,
                           s.precision);
            }
          }
        }
      }
    }
#pragma unroll
    for (int t = 0; t < kPixels; t++) {
      if (across + t >= s.w) continue;
      end_sum(dx, static_cast<uint32_t>((row + across + t) * s.c + c), sums[t]);
    }
  }
}

// How the kernel gradient is cut into blocks: channels, then chunks of kTaps taps, then slices of pixels.
struct DwBlocks {
  uint32_t channel_blocks, chunks;
  uint32_t pixels, slice_length;
  Divider by_e, by_p, by_q;
};

// Slice by slice to its own kernel gradient [taps, o] behind `to`. kWidth is 4 only where times is 1.
template <int kWidth, typename S>
__global__ void __launch_bounds__(kThreads, 2)
    depthwise_dw_kernel(DepthwiseShape s, DwBlocks blocks, const S* x, Stored dy, float* to, bool accumulate) {
  __shared__ Pack<float, kWidth> partial[kThreads];
  const uint32_t chunk = blockIdx.x / blocks.channel_blocks % blocks.chunks;
  const uint32_t slice = blockIdx.x / (blocks.channel_blocks * blocks.chunks);
  const int32_t o = static_cast<int32_t>(blockIdx.x % blocks.channel_blocks * blockDim.x + threadIdx.x) * kWidth;
  const int32_t c = kWidth == 1 ? static_cast<int32_t>(s.by_times.quotient(o)) : o;
  const int32_t taps = s.kernel_d * s.kernel_h * s.kernel_w;
  const bool inside = o < s.o;
  int32_t z[kTaps], y[kTaps], across[kTaps];
#pragma unroll
  for (int t = 0; t < kTaps; t++) {
    uint32_t i, j;
    const uint32_t tap = chunk * kTaps + t;
    const uint32_t a = s.by_kernel_h.divide(s.by_kernel_w.divide(tap, j), i);
    z[t] = static_cast<int32_t>(a) * s.dilation_d - s.pad_front;
    y[t] = static_cast<int32_t>(i) * s.dilation_h - s.pad_top;
    across[t] = static_cast<int32_t>(j) * s.dilation_w - s.pad_left;
  }
  Pack<float, kWidth> sums[kTaps] = {};
  const uint32_t end = min((slice + 1) * blocks.slice_length, blocks.pixels);
  for (uint32_t pixel = slice * blocks.slice_length + threadIdx.y; pixel < end && inside; pixel += blockDim.y) {
    uint32_t e, p, q;
    const uint32_t n = blocks.by_e.divide(blocks.by_p.divide(blocks.by_q.divide(pixel, q), p), e);
    const Pack<float, kWidth> slope = load_wide<kWidth>(dy + static_cast<int64_t>(pixel) * s.o + o);
    const int32_t front = static_cast<int32_t>(e) * s.stride_d, top = static_cast<int32_t>(p) * s.stride_h;
    const int32_t left = static_cast<int32_t>(q) * s.stride_w;
    const S* image = x + static_cast<int64_t>(n) * s.d * s.h * s.w * s.c + c;
#pragma unroll
    for (int t = 0; t < kTaps; t++) {
      const int32_t dz = front + z[t], dh = top + y[t], dw = left + across[t];
      if (dz < 0 || dz >= s.d || dh < 0 || dh >= s.h || dw < 0 || dw >= s.w) continue;
      multiply_add(sums[t], load_wide<kWidth>(image + static_cast<int64_t>((dz * s.h + dh) * s.w + dw) * s.c), slope,
                   s.precision);
    }
  }
  const uint32_t thread = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int t = 0; t < kTaps; t++) {
    const int32_t tap = static_cast<int32_t>(chunk) * kTaps + t;
    if (tap >= taps) break;  // the same for the whole block
    partial[thread] = sums[t];
    for (uint32_t half = blockDim.y / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.y >= half) continue;
#pragma unroll
      for (int k = 0; k < kWidth; k++) partial[thread].v[k] += partial[thread + half * blockDim.x].v[k];
    }
    if (threadIdx.y == 0 && inside) {
      float* at = to + (static_cast<int64_t>(slice) * taps + tap) * s.o + o;
      Pack<float, kWidth> sum = partial[thread];
      if (accumulate) {
        const Pack<float, kWidth> old = load_pack<kWidth>(at);
#pragma unroll
        for (int k = 0; k < kWidth; k++) sum.v[k] += old.v[k];
      }
      store_pack(at, sum);
    }
    __syncthreads();
  }
}

Divider by(int32_t divisor) { return Divider(static_cast<uint32_t>(divisor)); }

template <typename Args>
DepthwiseShape depthwise_shape(const Args& a, const Tensor& x, const Tensor& w, const Tensor& y) {
  const int last = x.rank - 1;
  const bool deep = last == 4;
  DepthwiseShape s{};
  s.d = deep ? x.dims[1] : 1;
  s.h = x.dims[last - 2];
  s.w = x.dims[last - 1];
  s.c = x.dims[last];
  s.e = deep ? y.dims[1] : 1;
  s.p = y.dims[last - 2];
  s.q = y.dims[last - 1];
  s.o = y.dims[last];
  s.kernel_d = deep ? w.dims[0] : 1;
  s.kernel_h = w.dims[last - 3];
  s.kernel_w = w.dims[last - 2];
  s.times = s.o / s.c;
  s.stride_d = a.stride_d;
  s.stride_h = a.stride_h;
  s.stride_w = a.stride_w;
  s.dilation_d = a.dilation_d;
  s.dilation_h = a.dilation_h;
  s.dilation_w = a.dilation_w;
  s.pad_front = a.pad_front;
  s.pad_top = a.pad_top;
  s.pad_left = a.pad_left;
  s.by_times = by(s.times);
  s.by_stride_d = by(s.stride_d);
  s.by_stride_h = by(s.stride_h);
  s.by_stride_w = by(s.stride_w);
  s.by_kernel_h = by(s.kernel_h);
  s.by_kernel_w = by(s.kernel_w);
  s.precision = precision_of(a);
  return s;
}

// Of the tensor [N, d, h, w, .] that is written.
Runs runs_of(int32_t n, int32_t d, int32_t h, int32_t w) {
  const int32_t of_row = (w + kPixels - 1) / kPixels;
  return {static_cast<uint32_t>(n * d * h * of_row), by(of_row), by(h), by(d)};
}

// Threads along the channels: a power of two, as many as there are (groups of) channels, at most `most`.
dim3 block_of(int32_t channels, int width, uint32_t most) {
  uint32_t lanes = 1;
  while (lanes < most && lanes * width < static_cast<uint32_t>(channels)) lanes *= 2;
  return dim3(lanes, kThreads / lanes);
}

// Calls run(numbers) with a pointer of their type.
template <typename Run>
Step with_type(const Stored& numbers, Run run) {
  if (numbers.narrow) return run(static_cast<const Bfloat16*>(numbers.data));
  return run(static_cast<const float*>(numbers.data));
}

bool is_wide(const DepthwiseShape& s) { return s.times == 1 && s.c % 4 == 0; }

}  // namespace

Step depthwise(Prepare& prepare, const ConvArgs& args) {
  const DepthwiseShape s = depthwise_shape(args, args.x, args.w, args.y);
  const Runs runs = runs_of(args.y.dims[0], s.e, s.p, s.q);
  const Stored x = stored(prepare, args.x), w = stored(prepare, args.w), y = stored(prepare, args.y);
  const float* bias = prepare.at(args.bias);
  const bool relu = args.activation == ConvArgs::kActivationRelu;
  const dim3 block = block_of(s.o, is_wide(s) ? 4 : 1, kThreads);
  const dim3 grid = blocks_for(runs.count, block.y);
  return with_type(x, [&](auto* image) -> Step {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(image)>>;
    const auto kernel = is_wide(s) ? depthwise_kernel<4, S> : depthwise_kernel<1, S>;
    return [=](cudaStream_t stream) { launch(stream, kernel, grid, block, s, runs, image, w, bias, relu, y); };
  });
}

Step depthwise_dx(Prepare& prepare, const ConvDxArgs& args) {
  const DepthwiseShape s = depthwise_shape(args, args.dx, args.w, args.dy);
  const Runs runs = runs_of(args.dx.dims[0], s.d, s.h, s.w);
  const Stored dy = stored(prepare, args.dy), w = stored(prepare, args.w);
  const Ending dx{stored(prepare, args.dx), stored(prepare, args.mask), args.accumulate_dx != 0};
  const dim3 block = block_of(s.c, is_wide(s) ? 4 : 1, kThreads);
  const dim3 grid = blocks_for(runs.count, block.y);
  return with_type(dy, [&](auto* image) -> Step {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(image)>>;
    const auto kernel = is_wide(s) ? depthwise_dx_kernel<4, S> : depthwise_dx_kernel<1, S>;
    return [=](cudaStream_t stream) { launch(stream, kernel, grid, block, s, runs, image, w, dx); };
  });
}

Step depthwise_dw(Prepare& prepare, const ConvDwArgs& args) {
  const DepthwiseShape s = depthwise_shape(args, args.x, args.dw, args.dy);
  const Stored x = stored(prepare, args.x), dy = stored(prepare, args.dy);
  float* dw = prepare.at(args.dw);
  float* db = prepare.at(args.db);
  const bool accumulate = args.accumulate_dw != 0;
  const int width = is_wide(s) ? 4 : 1;
  const dim3 block = block_of(s.o, width, 32);
  const int64_t pixels = args.dy.size() / s.o, elements = args.dw.size(), taps = elements / s.o;
  const int64_t channel_blocks = (s.o + static_cast<int64_t>(block.x) * width - 1) / (block.x * width);
  const int64_t chunks = (taps + kTaps - 1) / kTaps;
  // Four blocks a multiprocessor, at least eight pixels a thread, at most 64 MiB of partial results.
  constexpr int64_t kFewest = 8, kMostBytes = 64 << 20;
  const int64_t wanted = (4 * prepare.multiprocessors() + channel_blocks * chunks - 1) / (channel_blocks * chunks);
  const int64_t most =
      std::min(pixels / (kFewest * block.y), kMostBytes / (elements * static_cast<int64_t>(sizeof(float))));
  const int64_t cut = std::max<int64_t>(1, std::min(wanted, most));
  DwBlocks blocks{};
  blocks.channel_blocks = static_cast<uint32_t>(channel_blocks);
  blocks.chunks = static_cast<uint32_t>(chunks);
  blocks.pixels = static_cast<uint32_t>(pixels);
  blocks.slice_length = static_cast<uint32_t>((pixels + cut - 1) / cut);
  const int64_t slices = (pixels + blocks.slice_length - 1) / blocks.slice_length;
  blocks.by_e = by(s.e);
  blocks.by_p = by(s.p);
  blocks.by_q = by(s.q);
  SumRun sum_bias;
  if (db) sum_bias = plan_sum(prepare, {1, pixels, s.o, 1.f, false, args.dy.dtype});
  const dim3 grid = blocks_for(channel_blocks * chunks * slices, 1);
  const size_t bytes = slices == 1 ? 0 : static_cast<size_t>(slices * elements) * sizeof(float);
  const Workspace workspace = prepare.workspace(bytes);
  SumRun sum_slices;
  if (slices > 1) sum_slices = plan_sum(prepare, {1, slices, elements, 1.f, accumulate}, bytes);
  return with_type(x, [&](auto* image) -> Step {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(image)>>;
    const auto kernel = width == 4 ? depthwise_dw_kernel<4, S> : depthwise_dw_kernel<1, S>;
    return [=](cudaStream_t stream) {
      if (sum_bias) sum_bias(stream, dy.data, db);
      float* const to = sum_slices ? static_cast<float*>(workspace.data()) : dw;
      launch_cooperating(stream, kernel, grid, block, 0, s, blocks, image, dy, to, !sum_slices && accumulate);
      if (sum_slices) sum_slices(stream, to, dw);
    };
  });
}

}  // namespace gradstep::cuda
