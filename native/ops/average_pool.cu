// average_pool and its gradient on CUDA, channels last: the mean over a window's elements that lie inside the tensor.
// Laid out as max_pool; the gradient gathers from the windows that cover an element, in order.
#include "cuda/prepare.h"
#include "generated/args/average_pool.h"
#include "ops/pool.cuh"

namespace gradstep::cuda {
namespace {

__device__ inline int32_t length(PoolRange r) { return r.end > r.begin ? r.end - r.begin : 0; }

// Writes y [N, O, P, Q, C].
template <typename From, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks) average_pool_kernel(PoolMap g, const From* x, Stored y) {
  int32_t n, o, p, q;
  if (!g.pixel(n, o, p, q)) return;
  const PoolRange over_d = g.planes.inside(o), over_h = g.rows.inside(p), over_w = g.cols.inside(q);
  const int32_t count = length(over_d) * length(over_h) * length(over_w);
  const float share = count > 0 ? 1.f / static_cast<float>(count) : 0.f;
  const From* image = x + static_cast<int64_t>(n) * g.planes.size * g.rows.size * g.cols.size * g.channels;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x * kWidth; c < g.channels; c += blockDim.x * kWidth) {
    Pack<float, kWidth> sum{};
    for (int32_t d = over_d.begin; d < over_d.end; d++) {
      for (int32_t h = over_h.begin; h < over_h.end; h++) {
        const From* row = image + (static_cast<int64_t>(d) * g.rows.size + h) * g.cols.size * g.channels + c;
#pragma unroll 1  // windows are small, and what more unrolling needs is spilled on sm_80
        for (int32_t w = over_w.begin; w < over_w.end; w++) {
          const Pack<float, kWidth> v = load_wide<kWidth>(row + static_cast<int64_t>(w) * g.channels);
#pragma unroll
          for (int k = 0; k < kWidth; k++) sum.v[k] += v.v[k];
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kWidth; k++) sum.v[k] *= share;
    store_narrow(y + out + c, sum);
  }
}

// Writes every element of dx [N, D, H, W, C].
template <typename From, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks)
    average_pool_dx_kernel(PoolMap g, const From* dy, Stored dx) {
  int32_t n, d, h, w;
  if (!g.pixel(n, d, h, w)) return;
  const PoolRange over_o = g.planes.covering(d), over_p = g.rows.covering(h), over_q = g.cols.covering(w);
  const int64_t image = static_cast<int64_t>(n) * g.planes.windows;
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x * kWidth; c < g.channels; c += blockDim.x * kWidth) {
    Pack<float, kWidth> sum{};
    for (int32_t o = over_o.begin; o < over_o.end; o++) {
      const int32_t deep = length(g.planes.inside(o));
      for (int32_t p = over_p.begin; p < over_p.end; p++) {
        const int32_t high = deep * length(g.rows.inside(p));
        const int64_t row = ((image + o) * g.rows.windows + p) * g.cols.windows;
        for (int32_t q = over_q.begin; q < over_q.end; q++) {
          const float share = 1.f / static_cast<float>(high * length(g.cols.inside(q)));
          const Pack<float, kWidth> v = load_wide<kWidth>(dy + (row + q) * g.channels + c);
#pragma unroll
          for (int k = 0; k < kWidth; k++) sum.v[k] += v.v[k] * share;
        }
      }
    }
    store_narrow(dx + out + c, sum);
  }
}

}  // namespace

Step average_pool(Prepare& prepare, const AveragePoolArgs& args) {
  const PoolMap g = pool_map(args, args.x, args.y, args.x, args.y);
  const auto kernel_of = [](auto access) {
    return average_pool_kernel<typename decltype(access)::From, decltype(access)::kWidth>;
  };
  return pool_step(prepare, g, args.x, kernel_of, stored(prepare, args.y));
}

Step average_pool_dx(Prepare& prepare, const AveragePoolDxArgs& args) {
  const PoolMap g = pool_map(args, args.dx, args.dy, args.dy, args.dx);
  const auto kernel_of = [](auto access) {
    return average_pool_dx_kernel<typename decltype(access)::From, decltype(access)::kWidth>;
  };
  return pool_step(prepare, g, args.dy, kernel_of, stored(prepare, args.dx));
}

}  // namespace gradstep::cuda
