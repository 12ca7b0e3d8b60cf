// max_pool and its gradient on CUDA, channels last. A block is channels x pixels: threads along the channels read side
// by side, kWidth channels each, and a pixel's geometry is worked out once for all of them. The gradient gathers: each
// element of dx looks at the windows that cover it, in order, and takes dy where it won, so nothing is added in an
// order that could change.
#include "cuda/prepare.h"
#include "generated/args/max_pool.h"
#include "ops/pool.cuh"

namespace gradstep::cuda {
namespace {

// Writes y and argmax (position in the window, plane by plane, row by row) of [N, O, P, Q, C].
template <typename Position, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks)
    max_pool_kernel(PoolMap g, const float* x, float* y, Position* argmax) {
  int32_t n, o, p, q;
  if (!g.pixel(n, o, p, q)) return;
  const Range over_d = g.planes.inside(o), over_h = g.rows.inside(p), over_w = g.cols.inside(q);
  const int32_t front = g.planes.begin(o), top = g.rows.begin(p), left = g.cols.begin(q);
  const float* image = x + static_cast<int64_t>(n) * g.planes.size * g.rows.size * g.cols.size * g.channels;
  const int64_t out = g.flat_pixel() * g.channels;
  const bool any = over_d.begin < over_d.end && over_h.begin < over_h.end && over_w.begin < over_w.end;
  const int32_t first =
      any ? ((over_d.begin - front) * g.rows.pool + over_h.begin - top) * g.cols.pool + over_w.begin - left : 0;
  for (int32_t c = threadIdx.x * kWidth; c < g.channels; c += blockDim.x * kWidth) {
    Pack<float, kWidth> best;
    int32_t at[kWidth];
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      best.v[k] = -INFINITY;
      at[k] = first;
    }
    for (int32_t d = over_d.begin; d < over_d.end; d++) {
      for (int32_t h = over_h.begin; h < over_h.end; h++) {
        const float* row = image + (static_cast<int64_t>(d) * g.rows.size + h) * g.cols.size * g.channels + c;
        const int32_t place = ((d - front) * g.rows.pool + h - top) * g.cols.pool - left;
        for (int32_t w = over_w.begin; w < over_w.end; w++) {
          const Pack<float, kWidth> v = load_pack<kWidth>(row + static_cast<int64_t>(w) * g.channels);
#pragma unroll
          for (int k = 0; k < kWidth; k++) {
            if (!takes_lead(v.v[k], best.v[k])) continue;
            best.v[k] = v.v[k];
            at[k] = place + w;
          }
        }
      }
    }
    Pack<Position, kWidth> positions;
#pragma unroll
    for (int k = 0; k < kWidth; k++) positions.v[k] = static_cast<Position>(at[k]);
    store_pack(y + out + c, best);
    store_pack(argmax + out + c, positions);
  }
}

// Writes every element of dx [N, D, H, W, C].
template <typename Position, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks)
    max_pool_dx_kernel(PoolMap g, const float* dy, const Position* argmax, float* dx) {
  int32_t n, d, h, w;
  if (!g.pixel(n, d, h, w)) return;
  const Range over_o = g.planes.covering(d), over_p = g.rows.covering(h), over_q = g.cols.covering(w);
  const int64_t image = static_cast<int64_t>(n) * g.planes.windows;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x * kWidth; c < g.channels; c += blockDim.x * kWidth) {
    Pack<float, kWidth> sum{};
    for (int32_t o = over_o.begin; o < over_o.end; o++) {
      for (int32_t p = over_p.begin; p < over_p.end; p++) {
        const int64_t row = ((image + o) * g.rows.windows + p) * g.cols.windows;
        const int32_t place = ((d - g.planes.begin(o)) * g.rows.pool + h - g.rows.begin(p)) * g.cols.pool + w;
        for (int32_t q = over_q.begin; q < over_q.end; q++) {
          const int64_t from = (row + q) * g.channels + c;
          const int32_t here = place - g.cols.begin(q);
          const Pack<Position, kWidth> at = load_pack<kWidth>(argmax + from);
          const Pack<float, kWidth> v = load_pack<kWidth>(dy + from);
#pragma unroll
          for (int k = 0; k < kWidth; k++) {
            if (static_cast<int32_t>(at.v[k]) == here) sum.v[k] += v.v[k];
          }
        }
      }
    }
    store_pack(dx + out + c, sum);
  }
}

template <typename Position>
Step forward(Prepare& prepare, const MaxPoolArgs& args) {
  const PoolMap g = pool_map(args, args.x, args.y, args.y);
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  Position* argmax = prepare.at<Position>(args.argmax);
  const auto kernel = g.wide ? max_pool_kernel<Position, 4> : max_pool_kernel<Position, 1>;
  return [=](cudaStream_t stream) {
    if (g.pixels > 0) launch(stream, kernel, g.grid(), g.block(), g, x, y, argmax);
  };
}

template <typename Position>
Step backward(Prepare& prepare, const MaxPoolDxArgs& args) {
  const PoolMap g = pool_map(args, args.dx, args.dy, args.dx);
  const float* dy = prepare.at(args.dy);
  const Position* argmax = prepare.at<Position>(args.argmax);
  float* dx = prepare.at(args.dx);
  const auto kernel = g.wide ? max_pool_dx_kernel<Position, 4> : max_pool_dx_kernel<Position, 1>;
  return [=](cudaStream_t stream) {
    if (g.pixels > 0) launch(stream, kernel, g.grid(), g.block(), g, dy, argmax, dx);
  };
}

}  // namespace

Step max_pool(Prepare& prepare, const MaxPoolArgs& args) {
  return args.argmax.dtype == DType::kUint8 ? forward<uint8_t>(prepare, args) : forward<int32_t>(prepare, args);
}

Step max_pool_dx(Prepare& prepare, const MaxPoolDxArgs& args) {
  return args.argmax.dtype == DType::kUint8 ? backward<uint8_t>(prepare, args) : backward<int32_t>(prepare, args);
}

}  // namespace gradstep::cuda
