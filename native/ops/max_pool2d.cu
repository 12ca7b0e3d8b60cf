// max_pool2d and its gradient on CUDA, NHWC. A block is channels x pixels: threads along the channels read side by
// side, and a pixel's geometry is worked out once for all of them. The gradient gathers: each element of dx looks at
// the windows that cover it, in order, and takes dy where it won, so nothing is added in an order that could change.
#include "cuda/prepare.h"
#include "generated/args/max_pool2d.h"
#include "ops/pool.cuh"

namespace gradstep::cuda {
namespace {

// Writes y and argmax (position in the window, row by row) of [N, P, Q, C].
template <typename Position>
__global__ void __launch_bounds__(kPoolThreads) max_pool_kernel(PoolMap g, const float* x, float* y, Position* argmax) {
  int32_t n, p, q;
  if (!g.pixel(n, p, q)) return;
  const Range over_h = g.rows.inside(p), over_w = g.cols.inside(q);
  const int32_t top = p * g.rows.stride - g.rows.pad, left = q * g.cols.stride - g.cols.pad;
  const float* image = x + static_cast<int64_t>(n) * g.rows.size * g.cols.size * g.channels;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x; c < g.channels; c += blockDim.x) {
    float best = -INFINITY;
    int32_t at = over_h.begin < over_h.end && over_w.begin < over_w.end
                     ? (over_h.begin - top) * g.cols.pool + over_w.begin - left
                     : 0;
    for (int32_t h = over_h.begin; h < over_h.end; h++) {
      for (int32_t w = over_w.begin; w < over_w.end; w++) {
        const float v = image[(static_cast<int64_t>(h) * g.cols.size + w) * g.channels + c];
        if (takes_lead(v, best)) {
          best = v;
          at = (h - top) * g.cols.pool + w - left;
        }
      }
    }
    y[out + c] = best;
    argmax[out + c] = static_cast<Position>(at);
  }
}

// Writes every element of dx [N, H, W, C].
template <typename Position>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool_dx_kernel(PoolMap g, const float* dy, const Position* argmax, float* dx) {
  int32_t n, h, w;
  if (!g.pixel(n, h, w)) return;
  const Range over_p = g.rows.covering(h), over_q = g.cols.covering(w);
  const int64_t image = static_cast<int64_t>(n) * g.rows.windows * g.cols.windows;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x; c < g.channels; c += blockDim.x) {
    float sum = 0.f;
    for (int32_t p = over_p.begin; p < over_p.end; p++) {
      for (int32_t q = over_q.begin; q < over_q.end; q++) {
        const int64_t from = (image + static_cast<int64_t>(p) * g.cols.windows + q) * g.channels + c;
        const int32_t here = (h + g.rows.pad - p * g.rows.stride) * g.cols.pool + w + g.cols.pad - q * g.cols.stride;
        if (static_cast<int32_t>(argmax[from]) == here) sum += dy[from];
      }
    }
    dx[out + c] = sum;
  }
}

template <typename Position>
Step forward(Prepare& prepare, const MaxPool2dArgs& args) {
  const PoolMap g = pool_map(args, args.x.dims, args.y.dims, args.y.dims);
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  Position* argmax = prepare.at<Position>(args.argmax);
  return [=](cudaStream_t stream) {
    if (g.pixels > 0) launch(stream, max_pool_kernel<Position>, g.grid(), g.block(), g, x, y, argmax);
  };
}

template <typename Position>
Step backward(Prepare& prepare, const MaxPool2dDxArgs& args) {
  const PoolMap g = pool_map(args, args.dx.dims, args.dy.dims, args.dx.dims);
  const float* dy = prepare.at(args.dy);
  const Position* argmax = prepare.at<Position>(args.argmax);
  float* dx = prepare.at(args.dx);
  return [=](cudaStream_t stream) {
    if (g.pixels > 0) launch(stream, max_pool_dx_kernel<Position>, g.grid(), g.block(), g, dy, argmax, dx);
  };
}

}  // namespace

Step max_pool2d(Prepare& prepare, const MaxPool2dArgs& args) {
  return args.argmax.dtype == DType::kUint8 ? forward<uint8_t>(prepare, args) : forward<int32_t>(prepare, args);
}

Step max_pool2d_dx(Prepare& prepare, const MaxPool2dDxArgs& args) {
  return args.argmax.dtype == DType::kUint8 ? backward<uint8_t>(prepare, args) : backward<int32_t>(prepare, args);
}

}  // namespace gradstep::cuda
