// max_pool and its gradient on CUDA, channels last. A block is channels x pixels: threads along the channels read side
// by side, kWidth channels each, and a pixel's geometry is worked out once for all of them. The gradient gathers: each
// element of dx looks at the windows that cover it, in order, and takes dy where it won, so nothing is added in an
// order that could change; max_pool_at looks through a window for the position that won it. What is read decides the
// kernel; what is written, and how wide a position is, are branches.
#include "cuda/prepare.h"
#include "generated/args/max_pool.h"
#include "ops/pool.cuh"

namespace gradstep::cuda {
namespace {

// Positions in windows: bytes, or int32.
struct Positions {
  void* data;
  bool are_bytes;

  template <int kWidth>
  __device__ Pack<int32_t, kWidth> load(int64_t at) const {
    if (!are_bytes) return load_pack<kWidth>(static_cast<const int32_t*>(data) + at);
    const auto bytes = load_pack<kWidth>(static_cast<const uint8_t*>(data) + at);
    Pack<int32_t, kWidth> wide;
#pragma unroll
    for (int k = 0; k < kWidth; k++) wide.v[k] = bytes.v[k];
    return wide;
  }

  template <int kWidth>
  __device__ void store(int64_t at, const Pack<int32_t, kWidth>& positions) const {
    if (!are_bytes) {
      store_pack(static_cast<int32_t*>(data) + at, positions);
      return;
    }
    Pack<uint8_t, kWidth> bytes;
#pragma unroll
    for (int k = 0; k < kWidth; k++) bytes.v[k] = static_cast<uint8_t>(positions.v[k]);
    store_pack(static_cast<uint8_t*>(data) + at, bytes);
  }
};

Positions positions_at(const Prepare& prepare, const Tensor& argmax) {
  return {prepare.at<char>(argmax), argmax.dtype == DType::kUint8};
}

// A window of one pixel of y, of [N, O, P, Q, C], over x.
template <typename From>
struct Window {
  PoolRange over_d, over_h, over_w;
  int32_t front, top, left;
  const From* image;

  __device__ Window(const PoolMap& g, const From* x, int32_t n, int32_t o, int32_t p, int32_t q)
      : over_d(g.planes.inside(o)),
        over_h(g.rows.inside(p)),
        over_w(g.cols.inside(q)),
        front(g.planes.begin(o)),
        top(g.rows.begin(p)),
        left(g.cols.begin(q)),
        image(x + static_cast<int64_t>(n) * g.planes.size * g.rows.size * g.cols.size * g.channels) {}

  // The position in the window, plane by plane and row by row, of the first element inside the tensor; 0 where none is.
  __device__ int32_t first(const PoolMap& g) const {
    const bool any = over_d.begin < over_d.end && over_h.begin < over_h.end && over_w.begin < over_w.end;
    return any ? ((over_d.begin - front) * g.rows.pool + over_h.begin - top) * g.cols.pool + over_w.begin - left : 0;
  }

  // visit(values, position) for the elements inside the tensor, in order, kWidth channels from c on.
  template <int kWidth, typename Visit>
  __device__ void each(const PoolMap& g, int32_t c, const Visit& visit) const {
    for (int32_t d = over_d.begin; d < over_d.end; d++) {
      for (int32_t h = over_h.begin; h < over_h.end; h++) {
        const From* row = image + (static_cast<int64_t>(d) * g.rows.size + h) * g.cols.size * g.channels + c;
        const int32_t place = ((d - front) * g.rows.pool + h - top) * g.cols.pool - left;
        for (int32_t w = over_w.begin; w < over_w.end; w++) {
          visit(load_wide<kWidth>(row + static_cast<int64_t>(w) * g.channels), place + w);
        }
      }
    }
  }
};

// Writes y and argmax (position in the window, plane by plane, row by row) of [N, O, P, Q, C].
template <typename From, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks)
    max_pool_kernel(PoolMap g, const From* x, Stored y, Positions argmax) {
  int32_t n, o, p, q;
  if (!g.pixel(n, o, p, q)) return;
  const Window<From> window(g, x, n, o, p, q);
  const int64_t out = g.flat_pixel() * g.channels;
  const int32_t first = window.first(g);
  for (int32_t c = threadIdx.x * kWidth; c < g.channels; c += blockDim.x * kWidth) {
    Pack<float, kWidth> best;
    Pack<int32_t, kWidth> at;
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      best.v[k] = -INFINITY;
      at.v[k] = first;
    }
    window.template each<kWidth>(g, c, [&](const Pack<float, kWidth>& v, int32_t position) {
#pragma unroll
      for (int k = 0; k < kWidth; k++) {
        if (!takes_lead(v.v[k], best.v[k])) continue;
        best.v[k] = v.v[k];
        at.v[k] = position;
      }
    });
    store_narrow(y + out + c, best);
    argmax.store(out + c, at);
  }
}

// Writes every element of dx [N, D, H, W, C].
template <typename From, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks)
    max_pool_dx_kernel(PoolMap g, const From* dy, Positions argmax, Stored dx) {
  int32_t n, d, h, w;
  if (!g.pixel(n, d, h, w)) return;
  const PoolRange over_o = g.planes.covering(d), over_p = g.rows.covering(h), over_q = g.cols.covering(w);
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
          const Pack<int32_t, kWidth> at = argmax.load<kWidth>(from);
          const Pack<float, kWidth> v = load_wide<kWidth>(dy + from);
#pragma unroll
          for (int k = 0; k < kWidth; k++) {
            if (at.v[k] == here) sum.v[k] += v.v[k];
          }
        }
      }
    }
    store_narrow(dx + out + c, sum);
  }
}

// Writes y [N, O, P, Q, C]: of each window, what stands where it was won.
template <typename From, int kWidth>
__global__ void __launch_bounds__(kPoolThreads, kPoolBlocks)
    max_pool_at_kernel(PoolMap g, const From* x, Positions argmax, Stored y) {
  int32_t n, o, p, q;
  if (!g.pixel(n, o, p, q)) return;
  const Window<From> window(g, x, n, o, p, q);
  const int64_t out = g.flat_pixel() * g.channels;
  for (int32_t c = threadIdx.x * kWidth; c < g.channels; c += blockDim.x * kWidth) {
    const Pack<int32_t, kWidth> at = argmax.load<kWidth>(out + c);
    Pack<float, kWidth> won{};
    window.template each<kWidth>(g, c, [&](const Pack<float, kWidth>& v, int32_t position) {
#pragma unroll
      for (int k = 0; k < kWidth; k++) {
        if (at.v[k] == position) won.v[k] = v.v[k];
      }
    });
    store_narrow(y + out + c, won);
  }
}

}  // namespace

Step max_pool(Prepare& prepare, const MaxPoolArgs& args) {
  const PoolMap g = pool_map(args, args.x, args.y, args.x, args.y);
  const auto kernel_of = [](auto access) {
    return max_pool_kernel<typename decltype(access)::From, decltype(access)::kWidth>;
  };
  return pool_step(prepare, g, args.x, kernel_of, stored(prepare, args.y), positions_at(prepare, args.argmax));
}

Step max_pool_dx(Prepare& prepare, const MaxPoolDxArgs& args) {
  const PoolMap g = pool_map(args, args.dx, args.dy, args.dy, args.dx);
  const auto kernel_of = [](auto access) {
    return max_pool_dx_kernel<typename decltype(access)::From, decltype(access)::kWidth>;
  };
  return pool_step(prepare, g, args.dy, kernel_of, positions_at(prepare, args.argmax), stored(prepare, args.dx));
}

Step max_pool_at(Prepare& prepare, const MaxPoolAtArgs& args) {
  const PoolMap g = pool_map(args, args.x, args.y, args.x, args.y);
  const auto kernel_of = [](auto access) {
    return max_pool_at_kernel<typename decltype(access)::From, decltype(access)::kWidth>;
  };
  return pool_step(prepare, g, args.x, kernel_of, positions_at(prepare, args.argmax), stored(prepare, args.y));
}

}  // namespace gradstep::cuda
