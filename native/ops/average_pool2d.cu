// average_pool2d and its gradient on CUDA, NHWC: the mean over a window's elements that lie inside the tensor. Laid out
// as max_pool2d; the gradient gathers from the windows that cover an element, in order.
#include "cuda/prepare.h"
#include "generated/args/average_pool2d.h"
#include "ops/pool.cuh"

namespace gradstep::cuda {
namespace {

__device__ inline int32_t length(Range r) { return r.end > r.begin ? r.end - r.begin : 0; }

// Writes y [N, P, Q, C].
__global__ void __launch_bounds__(kPoolThreads) average_pool_kernel(PoolMap g, const float* x, float* y) {
  int32_t n, p, q;
  if (!g.pixel(n, p, q)) return;
  const Range over_h = g.rows.inside(p), over_w = g.cols.inside(q);
  const int32_t count = length(over_h) * length(over_w);
  const float share = count > 0 ? 1.f / static_cast<float>(count) : 0.f;
  const float* image = x + static_cast<int64_t>(n) * g.rows.size * g.cols.size * g.channels;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x; c < g.channels; c += blockDim.x) {
    float sum = 0.f;
    for (int32_t h = over_h.begin; h < over_h.end; h++) {
      for (int32_t w = over_w.begin; w < over_w.end; w++) {
        sum += image[(static_cast<int64_t>(h) * g.cols.size + w) * g.channels + c];
      }
    }
    y[out + c] = sum * share;
  }
}

// Writes every element of dx [N, H, W, C].
__global__ void __launch_bounds__(kPoolThreads) average_pool_dx_kernel(PoolMap g, const float* dy, float* dx) {
  int32_t n, h, w;
  if (!g.pixel(n, h, w)) return;
  const Range over_p = g.rows.covering(h), over_q = g.cols.covering(w);
  const int64_t image = static_cast<int64_t>(n) * g.rows.windows * g.cols.windows;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x; c < g.channels; c += blockDim.x) {
    float sum = 0.f;
    for (int32_t p = over_p.begin; p < over_p.end; p++) {
      const int32_t high = length(g.rows.inside(p));
      for (int32_t q = over_q.begin; q < over_q.end; q++) {
        const float share = 1.f / static_cast<float>(high * length(g.cols.inside(q)));
        sum += dy[(image + static_cast<int64_t>(p) * g.cols.windows + q) * g.channels + c] * share;
      }
    }
    dx[out + c] = sum;
  }
}

}  // namespace

Step average_pool2d(Prepare& prepare, const AveragePool2dArgs& args) {
  const PoolMap g = pool_map(args, args.x.dims, args.y.dims, args.y.dims);
  const float* x = prepare.at(args.x);
  float* y = prepare.at(args.y);
  return [=](cudaStream_t stream) {
    if (g.pixels > 0) launch(stream, average_pool_kernel, g.grid(), g.block(), g, x, y);
  };
}

Step average_pool2d_dx(Prepare& prepare, const AveragePool2dDxArgs& args) {
  const PoolMap g = pool_map(args, args.dx.dims, args.dy.dims, args.dx.dims);
  const float* dy = prepare.at(args.dy);
  float* dx = prepare.at(args.dx);
  return [=](cudaStream_t stream) {
    if (g.pixels > 0) launch(stream, average_pool_dx_kernel, g.grid(), g.block(), g, dy, dx);
  };
}

}  // namespace gradstep::cuda
