// The kernels of attention (attention.cu): 64 x 64 scores a block at a time in registers; probabilities go through
// shared memory to be multiplied again. Forward: a block of 64 queries walks through the keys with a running maximum
// and sum. Gradient: one kernel walks through the queries for a block of keys (dk, dv), one through the keys for a
// block of queries (dq); both work the probabilities out again, so nothing is added in an order that could change.
// Results wider than a block's registers are shared among the grid's z. Unit multiplies: a tile of cuda/tile.cuh on FMA
// units, or one of cuda/tensor_tile.cuh, whose results change hands in shared memory, so that everything else is the
// same for both.
#pragma once

#include <functional>
#include <type_traits>

#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/tensor_tile.cuh"
#include "cuda/tile.cuh"
#include "ops/attention.h"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace attend {

constexpr int kSide = 64;  // queries and keys of a block
using T = Tile<kSide, kSide, 4>;
using Results = T::Results;  // a thread's 4 x 4 of a block
constexpr int kRowP = kSide + 4;
constexpr int kRowThreads = T::kColumns;  // threads that share a row of scores

struct Heads {
  const float *q, *k, *v;  // [batch, time, heads, depth or width]
  const float *mask, *bias;
  const int32_t* state;
  int32_t queries, keys, heads, depth, width;
  int64_t bias_batch, bias_head;
  float scale, rate, keep_scale;
  uint32_t stream;
  bool causal, wide;    // wide: rows may be read four elements at a time
  Precision precision;  // of what products multiply

  __device__ int64_t origin(int32_t pair, int32_t time, int32_t n) const {
    return (static_cast<int64_t>(pair / heads) * time * heads + pair % heads) * n;
  }
};

// Rows (of A, or columns of B) of a matrix whose elements are side by side along the rows, or else along the depth.
template <bool kAlongRows>
struct View {
  const float* data;
  int32_t stride;  // to the next depth, or else to the next row
  int32_t rows;
  bool wide;
  Precision precision;
};

// A thread reads four neighbours at a time of a slice of Unit, 64 rows.
template <typename Unit, bool kAlongRows>
class ViewLoader {
 public:
  static constexpr bool kAlongK = !kAlongRows;

  __device__ explicit ViewLoader(const View<kAlongRows>& view)
      : from_(view.data + (kAlongRows ? static_cast<int64_t>(depth(0)) * view.stride + row(0)
                                      : static_cast<int64_t>(row(0)) * view.stride + depth(0))),
        view_(view) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t left = static_cast<int32_t>(k_end - k_begin) - depth(pass), below = view_.rows - row(pass);
      values_[pass] = {};
      if (left <= 0 || below <= 0) continue;
      const int32_t inside = min(4, kAlongRows ? below : left);
      const float* from = from_ + static_cast<int64_t>(pass * kAcross) * view_.stride;
      if (inside == 4 && view_.wide) {
        values_[pass] = load_pack<4>(from);
        continue;
      }
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (j < inside) values_[pass].v[j] = from[j];
      }
    }
    from_ += kAlongRows ? static_cast<int64_t>(Unit::kDepth) * view_.stride : Unit::kDepth;
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      if constexpr (kAlongRows) {
        Unit::put_along_rows(to, row(pass), depth(pass), values_[pass], view_.precision);
      } else {
        Unit::put_along_k(to, row(pass), depth(pass), values_[pass], view_.precision);
      }
    }
  }

 private:
  static constexpr int kAlong = (kAlongRows ? kSide : Unit::kDepth) / 4;  // threads along neighbours
  static constexpr int kAcross = kTileThreads / kAlong;
  static constexpr int kPasses = kSide * Unit::kDepth / 4 / kTileThreads;
  // The first of this thread's four elements.
  __device__ int32_t depth(int pass) const {
    return kAlongRows ? pass * kAcross + threadIdx.x / kAlong : threadIdx.x % kAlong * 4;
  }
  __device__ int32_t row(int pass) const {
    return kAlongRows ? threadIdx.x % kAlong * 4 : pass * kAcross + threadIdx.x / kAlong;
  }

  const float* from_;  // in the next slice
  View<kAlongRows> view_;
  Pack<float, 4> values_[kPasses];
};

// What products need of shared memory: slices of both operands, twice, and on tensor cores afterwards 64 x 64 results.
constexpr int kProductBytes = 4 * T::kDepth * T::kRowA * static_cast<int>(sizeof(float));

// Where a result stands there: rows are turned, so that no two that a warp writes or reads at a time share a bank.
__device__ inline int exchanged(int row, int column) { return row * kSide + (column ^ row % 8 * 8); }

// c += a·b.
template <typename Unit, bool kA, bool kB>
__device__ inline void add_product(unsigned char* memory, const View<kA>& a, const View<kB>& b, int32_t depth,
                                   typename Unit::Results& c) {
  using A = ViewLoader<Unit, kA>;
  using B = ViewLoader<Unit, kB>;
  using SlicesA = typename Unit::template Slice<kSide, A>[2];
  using SlicesB = typename Unit::template Slice<kSide, B>[2];
  static_assert(sizeof(SlicesA) + sizeof(SlicesB) <= kProductBytes, "room for both");
  A rows(a);
  B columns(b);
  multiply<Unit>(*reinterpret_cast<SlicesA*>(memory), *reinterpret_cast<SlicesB*>(memory + sizeof(SlicesA)), rows,
                 columns, 0u, static_cast<uint32_t>(depth), c);
}

// a·b, as T's threads hold it, whatever unit multiplies.
template <typename Unit, bool kA, bool kB>
__device__ inline void product(unsigned char* memory, const View<kA>& a, const View<kB>& b, int32_t depth, Results& c) {
  typename Unit::Results own = {};
  add_product<Unit>(memory, a, b, depth, own);
  if constexpr (std::is_same_v<Unit, T>) {
#pragma unroll
    for (int i = 0; i < T::kTm; i++) c[i] = own[i];
  } else {
    static_assert(kSide * kSide * sizeof(float) <= kProductBytes, "room for the results");
    float* const all = reinterpret_cast<float*>(memory);
#pragma unroll
    for (int i = 0; i < Unit::kRows; i++) {
#pragma unroll
      for (int j = 0; j < Unit::kRuns; j++) {
        store_pack(&all[exchanged(Unit::row(i), Unit::column(j))], own[i * Unit::kRuns + j]);
      }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < T::kTm; i++) c[i] = load_pack<4>(&all[exchanged(T::row(i), T::column())]);
    __syncthreads();
  }
}

// `rows` rows of [batch, time, heads, n] from row `at` on, side by side along the depth.
__device__ inline View<false> rows_of(const Heads& h, const float* x, int32_t pair, int32_t time, int32_t n,
                                      int32_t at) {
  const int32_t stride = h.heads * n;
  return {x + h.origin(pair, time, n) + static_cast<int64_t>(at) * stride, stride, time - at, h.wide, h.precision};
}

// The same rows as the depth of a product: columns `first`… of n.
__device__ inline View<true> columns_of(const Heads& h, const float* x, int32_t pair, int32_t time, int32_t n,
                                        int32_t at, int32_t first) {
  const int32_t stride = h.heads * n;
  const float* from = x + h.origin(pair, time, n) + static_cast<int64_t>(at) * stride + first;
  return {from, stride, n - first, h.wide, h.precision};
}

// Products of a block of queries and keys become scores; what is not seen becomes -infinity.
__device__ inline void to_scores(const Heads& h, int32_t pair, int32_t query, int32_t key, Results& s) {
  const float* bias = h.bias ? h.bias + pair / h.heads * h.bias_batch + pair % h.heads * h.bias_head : nullptr;
  const float* mask = h.mask ? h.mask + static_cast<int64_t>(pair / h.heads) * h.keys : nullptr;
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int32_t column = key + T::column() + j;
      bool seen = row < h.queries && column < h.keys && (!h.causal || column <= row);
      if (seen && mask) seen = mask[column] != 0.f;
      float score = s[i].v[j] * h.scale;
      if (seen && bias) score += bias[static_cast<int64_t>(row) * h.keys + column];
      s[i].v[j] = seen ? score : -INFINITY;
    }
  }
}

// What four neighbouring weights of a query are multiplied by.
__device__ inline Pack<float, 4> draw_keep(const Heads& h, int32_t pair, int32_t query, int32_t key) {
  const uint64_t groups = (static_cast<uint64_t>(h.keys) + kAttentionWords - 1) / kAttentionWords;
  const uint64_t row = static_cast<uint64_t>(pair) * h.queries + query;
  const Philox4 words = attention_words(row, key / kAttentionWords, groups, h.state, h.stream);
  Pack<float, 4> keep;
#pragma unroll
  for (int j = 0; j < 4; j++) keep.v[j] = attention_keep(words.w[j], h.rate, h.keep_scale);
  return keep;
}

__device__ inline void multiply_by(Pack<float, 4>& x, const Pack<float, 4>& y) {
#pragma unroll
  for (int j = 0; j < 4; j++) x.v[j] *= y.v[j];
}

// A thread's part of a block, into shared memory [query][key].
__device__ inline void share(float (&to)[kSide][kRowP], const Results& p) {
#pragma unroll
  for (int i = 0; i < T::kTm; i++) store_pack(&to[T::row(i)][T::column()], p[i]);
  __syncthreads();
}

// Over the threads that share a row: 16 neighbouring lanes.
template <typename Op>
__device__ inline float row_reduce(float value, Op op) {
  for (int distance = kRowThreads / 2; distance > 0; distance /= 2) {
    value = op(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

template <typename Unit>
__device__ inline void multiply_rows(typename Unit::Results& values, const float (&factors)[kSide]) {
#pragma unroll
  for (int i = 0; i < Unit::kRows; i++) {
    const float factor = factors[Unit::row(i)];
#pragma unroll
    for (int j = 0; j < Unit::kRuns; j++) {
#pragma unroll
      for (int e = 0; e < Unit::kRun; e++) values[i * Unit::kRuns + j].v[e] *= factor;
    }
  }
}

// Writes a thread's part of 64 rows of [batch, time, heads, n], columns `first`….
template <typename Unit>
__device__ inline void write_rows(const Heads& h, float* x, int32_t pair, int32_t time, int32_t n, int32_t at,
                                  int32_t first, const typename Unit::Results& values) {
#pragma unroll
  for (int i = 0; i < Unit::kRows; i++) {
    const int32_t row = at + Unit::row(i);
    if (row >= time) continue;
    float* to = x + h.origin(pair, time, n) + static_cast<int64_t>(row) * h.heads * n;
#pragma unroll
    for (int j = 0; j < Unit::kRuns; j++) {
      write_run(to, first + Unit::column(j), n, values[i * Unit::kRuns + j], false);
    }
  }
}

// Grid: x pairs of batch and head, times blocks of queries; z groups of kSlices * 64 columns of y.
template <typename Unit, int kSlices>
__global__ void __launch_bounds__(kTileThreads, kSlices == 1 ? 2 : 1)
    attention_kernel(Heads h, int32_t blocks, float* y, float* lse) {
  if constexpr (!Unit::kAvailable) {
    trap();
  } else {
    __shared__ __align__(16) unsigned char memory[kProductBytes];
    __shared__ __align__(16) float shared_p[kSide][kRowP];
    __shared__ float factors[kSide];  // of rows of sums: what scores know, for those who hold the sums
    const int32_t pair = blockIdx.x / blocks, query = blockIdx.x % blocks * kSide;
    const int32_t first = blockIdx.z * kSlices * kSide;
    const int32_t seen = h.causal ? min(h.keys, query + kSide) : h.keys;
    const View<false> probabilities{&shared_p[0][0], kRowP, kSide, true, h.precision};
    typename Unit::Results sums[kSlices] = {};
    float largest[T::kTm], total[T::kTm];
#pragma unroll
    for (int i = 0; i < T::kTm; i++) {
      largest[i] = -1e30f;
      total[i] = 0.f;
    }
    for (int32_t key = 0; key < seen; key += kSide) {
      Results p;
      product<Unit>(memory, rows_of(h, h.q, pair, h.queries, h.depth, query),
                    rows_of(h, h.k, pair, h.keys, h.depth, key), h.depth, p);
      to_scores(h, pair, query, key, p);
#pragma unroll
      for (int i = 0; i < T::kTm; i++) {
        float most = largest[i], sum = 0.f;
#pragma unroll
        for (int j = 0; j < 4; j++) most = Max{}(most, p[i].v[j]);
        most = row_reduce(most, Max{});
#pragma unroll
        for (int j = 0; j < 4; j++) {
          p[i].v[j] = scalar::exp(p[i].v[j] - most);
          sum += p[i].v[j];
        }
        const float factor = scalar::exp(largest[i] - most);
        if (T::column() == 0) factors[T::row(i)] = factor;
        total[i] = total[i] * factor + row_reduce(sum, Sum{});
        largest[i] = most;
        if (h.rate > 0.f) multiply_by(p[i], draw_keep(h, pair, query + T::row(i), key + T::column()));
      }
      share(shared_p, p);
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        multiply_rows<Unit>(sums[slice], factors);
        add_product<Unit>(memory, probabilities, columns_of(h, h.v, pair, h.keys, h.width, key, first + slice * kSide),
                          min(kSide, h.keys - key), sums[slice]);
      }
    }
    __syncthreads();  // those who are last with the factors of the last keys
#pragma unroll
    for (int i = 0; i < T::kTm; i++) {
      const int32_t row = query + T::row(i);
      if (T::column() != 0) continue;
      factors[T::row(i)] = total[i] > 0.f ? 1.f / total[i] : total[i];
      if (first != 0 || row >= h.queries) continue;
      lse[static_cast<int64_t>(pair) * h.queries + row] =
          total[i] > 0.f ? largest[i] + scalar::log(total[i]) : total[i];
    }
    __syncthreads();
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      multiply_rows<Unit>(sums[slice], factors);
      write_rows<Unit>(h, y, pair, h.queries, h.width, query, first + slice * kSide, sums[slice]);
    }
  }
}

struct Slopes {
  const float *lse, *dy, *delta;  // delta [batch, heads, queries]: dy·y
  float *dq, *dk, *dv;
};

// Of a block of queries and keys: ds becomes the gradient of the products q·k, `weights` what v was summed with; a
// thread writes its own places of those, and needs a barrier before others read them.
template <typename Unit, bool kDrops>
__device__ inline void gradients(unsigned char* memory, const Heads& h, const Slopes& g, int32_t pair, int32_t query,
                                 int32_t key, float (&weights)[kSide][kRowP], Results& ds) {
  Results p;
  product<Unit>(memory, rows_of(h, h.q, pair, h.queries, h.depth, query), rows_of(h, h.k, pair, h.keys, h.depth, key),
                h.depth, p);
  to_scores(h, pair, query, key, p);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
    const float lse = row < h.queries ? g.lse[static_cast<int64_t>(pair) * h.queries + row] : 0.f;
#pragma unroll
    for (int j = 0; j < 4; j++) p[i].v[j] = scalar::exp(p[i].v[j] - lse);
    store_pack(&weights[T::row(i)][T::column()], p[i]);
  }
  product<Unit>(memory, rows_of(h, g.dy, pair, h.queries, h.width, query), rows_of(h, h.v, pair, h.keys, h.width, key),
                h.width, ds);
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
    const View<true> transposed{&shared_p[0][0], kRowP, kSide, true, h.precision};
    for (int32_t query = h.causal ? key : 0; query < h.queries; query += kSide) {
      Results ds;
      const int32_t rows = min(kSide, h.queries - query);
      gradients<Unit, kDrops>(memory, h, g, pair, query, key, shared_p, ds);
      __syncthreads();
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        add_product<Unit>(memory, transposed,
                          columns_of(h, g.dy, pair, h.queries, h.width, query, first + slice * kSide), rows, dv[slice]);
      }
      share(shared_p, ds);
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        add_product<Unit>(memory, transposed,
                          columns_of(h, h.q, pair, h.queries, h.depth, query, first + slice * kSide), rows, dk[slice]);
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
    const View<false> probabilities{&shared_p[0][0], kRowP, kSide, true, h.precision};
    typename Unit::Results dq[kSlices] = {};
    for (int32_t key = 0; key < seen; key += kSide) {
      Results ds;
      gradients<Unit, kDrops>(memory, h, g, pair, query, key, shared_p, ds);
      share(shared_p, ds);
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
        add_product<Unit>(memory, probabilities, columns_of(h, h.k, pair, h.keys, h.depth, key, first + slice * kSide),
                          min(kSide, h.keys - key), dq[slice]);
      }
    }
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      write_rows<Unit>(h, g.dq, pair, h.queries, h.depth, query, first + slice * kSide, dq[slice]);
    }
  }
}

// The grid of a kernel whose blocks make kSlices * 64 of `columns` columns for 64 of `rows` rows of each pair.
struct Blocks {
  bool two_slices;
  int32_t per_pair;
  dim3 grid;
  Blocks(int64_t pairs, int32_t rows, int32_t columns)
      : two_slices(columns > kSide), per_pair((rows + kSide - 1) / kSide), grid(blocks_for(pairs * per_pair, 1)) {
    grid.z = (columns + 2 * kSide - 1) / (2 * kSide);
  }
};

// One of kernel<slices, drops>.
template <typename Kernel>
Kernel choose(const Blocks& on, bool drops, Kernel one, Kernel one_drops, Kernel two, Kernel two_drops) {
  return on.two_slices ? (drops ? two_drops : two) : (drops ? one_drops : one);
}

template <typename Unit>
Step run_attention(const Heads& h, int64_t pairs, float* y, float* lse) {
  const Blocks on(pairs, h.queries, h.width);
  const auto kernel = on.two_slices ? attention_kernel<Unit, 2> : attention_kernel<Unit, 1>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, on.grid, dim3(kTileThreads), 0, h, on.per_pair, y, lse);
  };
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

// Shallow or not unrolled: the kernels have no registers left for more.
using Bfloat16Unit = TensorTile<Bfloat16, kSide, kSide, 4, 1>;
using Tf32Unit = TensorTile<Tf32, kSide, kSide, 2, 2, 1>;
extern template Step run_attention<Bfloat16Unit>(const Heads&, int64_t, float*, float*);
extern template GradientRun run_attention_dx<Bfloat16Unit>(const Heads&, int64_t, const Slopes&);
extern template Step run_attention<Tf32Unit>(const Heads&, int64_t, float*, float*);
extern template GradientRun run_attention_dx<Tf32Unit>(const Heads&, int64_t, const Slopes&);

}  // namespace attend
}  // namespace gradstep::cuda
