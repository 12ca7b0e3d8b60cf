// The gradient of attention (attention.cuh): one kernel walks through the queries for a block of keys (dk, dv), one
// through the keys for a block of queries (dq); both work the probabilities out again, so nothing is added in an order
// that could change.
#pragma once

#include <functional>

#include "ops/attention.cuh"

namespace gradstep::cuda {
namespace attend {

struct Slopes {
  const float *lse, *delta;  // [batch, heads, queries]; delta: dy·y
  Stored dy, dq, dk, dv;
};

// Of a block of queries and keys: ds becomes the gradient of the products q·k, `weights` what v was summed with; a
// thread writes its own places of those, and needs a barrier before others read them.
template <typename Unit, bool kDrops>
__device__ inline void gradients(unsigned char* memory, const Heads& h, const Slopes& g, int32_t pair, int32_t query,
                                 int32_t key, float (&weights)[kSide][kRowP], Results& ds) {
  Results p;
  product<Unit>(memory, rows_of<Unit>(h, h.q, pair, h.queries, h.depth, query),
                rows_of<Unit>(h, h.k, pair, h.keys, h.depth, key), h.depth, p);
  to_scores(h, pair, query, key, p);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
    const float lse = row < h.queries ? g.lse[static_cast<int64_t>(pair) * h.queries + row] : 0.f;
#pragma unroll
    for (int j = 0; j < 4; j++) p[i].v[j] = scalar::exp(p[i].v[j] - lse);
    store_pack(&weights[T::row(i)][T::column()], p[i]);
  }
  product<Unit>(memory, rows_of<Unit>(h, g.dy, pair, h.queries, h.width, query),
                rows_of<Unit>(h, h.v, pair, h.keys, h.width, key), h.width, ds);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
    const float delta = row < h.queries ? g.delta[static_cast<int64_t>(pair) * h.queries + row] : 0.f;
    float* place = &weights[T::row(i)][T::column()];
    const Pack<float, 4> own = load_pack<4>(place);
    if constexpr (kDrops) {
      const Pack<float, 4> keep = draw_keep(h, pair, row, key + T::column());
      multiply_by(ds[i], keep);
      Pack<float, 4> kept = own;
      multiply_by(kept, keep);
      store_pack(place, kept);
    }
#pragma unroll
    for (int j = 0; j < 4; j++) ds[i].v[j] = own.v[j] * (ds[i].v[j] - delta) * h.scale;
  }
}

// Grid: x pairs times blocks of keys; z groups of kSlices * 64 columns of dk and dv.
template <typename Unit, int kSlices, bool kDrops>
__global__ void __launch_bounds__(kTileThreads, 1) key_gradient_kernel(Heads h, int32_t blocks, Slopes g) {
  if constexpr (!Unit::kAvailable) {
    trap();
  } else {
    __shared__ __align__(16) unsigned char memory[kProductBytes];
    __shared__ __align__(16) float shared_p[kSide][kRowP];
    const int32_t pair = blockIdx.x / blocks, key = blockIdx.x % blocks * kSide;
    const int32_t first = blockIdx.z * kSlices * kSide;
    typename Unit::Results dk[kSlices] = {}, dv[kSlices] = {};
    const View<true, float*> transposed{&shared_p[0][0], kRowP, kSide, true, h.precision};
    for (int32_t query = h.causal ? key : 0; query < h.queries; query += kSide) {
      Results ds;
      const int32_t rows = min(kSide, h.queries - query);
      gradients<Unit, kDrops>(memory, h, g, pair, query, key, shared_p, ds);
      __syncthreads();
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        add_product<Unit>(memory, transposed,
                          columns_of<Unit>(h, g.dy, pair, h.queries, h.width, query, first + slice * kSide), rows,
                          dv[slice]);
      }
      share(shared_p, ds);
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        add_product<Unit>(memory, transposed,
                          columns_of<Unit>(h, h.q, pair, h.queries, h.depth, query, first + slice * kSide), rows,
                          dk[slice]);
      }
    }
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      write_rows<Unit>(h, g.dk, pair, h.keys, h.depth, key, first + slice * kSide, dk[slice]);
      write_rows<Unit>(h, g.dv, pair, h.keys, h.width, key, first + slice * kSide, dv[slice]);
    }
  }
}

// Grid: x pairs times blocks of queries; z groups of kSlices * 64 columns of dq.
template <typename Unit, int kSlices, bool kDrops>
__global__ void __launch_bounds__(kTileThreads, kSlices == 1 && !kDrops ? 2 : 1)
    query_gradient_kernel(Heads h, int32_t blocks, Slopes g) {
  if constexpr (!Unit::kAvailable) {
    trap();
  } else {
    __shared__ __align__(16) unsigned char memory[kProductBytes];
    __shared__ __align__(16) float shared_p[kSide][kRowP];
    const int32_t pair = blockIdx.x / blocks, query = blockIdx.x % blocks * kSide;
    const int32_t first = blockIdx.z * kSlices * kSide;
    const int32_t seen = h.causal ? min(h.keys, query + kSide) : h.keys;
    const View<false, float*> probabilities{&shared_p[0][0], kRowP, kSide, true, h.precision};
    typename Unit::Results dq[kSlices] = {};
    for (int32_t key = 0; key < seen; key += kSide) {
      Results ds;
      gradients<Unit, kDrops>(memory, h, g, pair, query, key, shared_p, ds);
      share(shared_p, ds);
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        add_product<Unit>(memory, probabilities,
                          columns_of<Unit>(h, h.k, pair, h.keys, h.depth, key, first + slice * kSide),
                          min(kSide, h.keys - key), dq[slice]);
      }
    }
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      write_rows<Unit>(h, g.dq, pair, h.queries, h.depth, query, first + slice * kSide, dq[slice]);
    }
  }
}

// One of kernel<slices, drops>.
template <typename Kernel>
Kernel choose(const Blocks& on, bool drops, Kernel one, Kernel one_drops, Kernel two, Kernel two_drops) {
  return on.two_slices ? (drops ? two_drops : two) : (drops ? one_drops : one);
}

// delta is what the step is given.
using GradientRun = std::function<void(cudaStream_t, const float* delta)>;
template <typename Unit>
GradientRun run_attention_dx(const Heads& h, int64_t pairs, const Slopes& g) {
  const Blocks over_keys(pairs, h.keys, max(h.depth, h.width)), over_queries(pairs, h.queries, h.depth);
  const bool drops = h.rate > 0.f;
  const auto key_gradient =
      choose(over_keys, drops, key_gradient_kernel<Unit, 1, false>, key_gradient_kernel<Unit, 1, true>,
             key_gradient_kernel<Unit, 2, false>, key_gradient_kernel<Unit, 2, true>);
  const auto query_gradient =
      choose(over_queries, drops, query_gradient_kernel<Unit, 1, false>, query_gradient_kernel<Unit, 1, true>,
             query_gradient_kernel<Unit, 2, false>, query_gradient_kernel<Unit, 2, true>);
  return [=](cudaStream_t stream, const float* delta) {
    Slopes with = g;
    with.delta = delta;
    launch_cooperating(stream, key_gradient, over_keys.grid, dim3(kTileThreads), 0, h, over_keys.per_pair, with);
    launch_cooperating(stream, query_gradient, over_queries.grid, dim3(kTileThreads), 0, h, over_queries.per_pair,
                       with);
  };
}

extern template GradientRun run_attention_dx<StoredUnit>(const Heads&, int64_t, const Slopes&);
extern template GradientRun run_attention_dx<Bfloat16Unit>(const Heads&, int64_t, const Slopes&);
extern template GradientRun run_attention_dx<Tf32Unit>(const Heads&, int64_t, const Slopes&);

}  // namespace attend
}  // namespace gradstep::cuda
