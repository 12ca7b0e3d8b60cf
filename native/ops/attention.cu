// attention on CUDA, 64 x 64 scores a block at a time in registers (tile.cuh); probabilities go through shared memory
// to be multiplied again. Forward: a block of 64 queries walks through the keys with a running maximum and sum.
// Gradient: one kernel walks through the queries for a block of keys (dk, dv), one through the keys for a block of
// queries (dq); both work the probabilities out again, so nothing is added in an order that could change. Results wider
// than a block's registers are shared among the grid's z.
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/tile.cuh"
#include "generated/args/attention.h"
#include "ops/attention.h"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

constexpr int kSide = 64;  // queries and keys of a block
using T = Tile<kSide, kSide, 4>;
using Results = Pack<float, 4>[T::kTm];  // a thread's 4 x 4 of a block
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

// Rows (of A, or columns of B) of a matrix whose elements are side by side either along the depth or along the rows.
struct View {
  const float* data;
  int32_t stride;  // to the next row, or to the next depth where along_rows
  int32_t rows;
  bool along_rows, wide;
  Precision precision;
};

// A thread reads four neighbours of a slice of 64 x 16.
class ViewLoader {
 public:
  __device__ explicit ViewLoader(const View& view) : view_(view) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const int32_t depth = static_cast<int32_t>(k_begin) + this->depth(), end = static_cast<int32_t>(k_end);
    const int32_t row = this->row();
    values_ = {};
    if (row >= view_.rows || depth >= end) return;
    const int32_t inside = min(4, view_.along_rows ? view_.rows - row : end - depth);
    const float* from = view_.data + (view_.along_rows ? static_cast<int64_t>(depth) * view_.stride + row
                                                       : static_cast<int64_t>(row) * view_.stride + depth);
    if (inside == 4 && view_.wide) {
      values_ = load_pack<4>(from);
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (j < inside) values_.v[j] = from[j];
    }
  }

  __device__ void store(float (&to)[T::kDepth][T::kRowA]) const {
    const Pack<float, 4> values = operand(values_, view_.precision);
    if (view_.along_rows) {
      store_pack(&to[depth()][row()], values);
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) to[depth() + j][row()] = values.v[j];
  }

 private:
  // The first of this thread's four elements.
  __device__ int32_t depth() const { return view_.along_rows ? threadIdx.x / 16 : threadIdx.x % 4 * 4; }
  __device__ int32_t row() const { return view_.along_rows ? threadIdx.x % 16 * 4 : threadIdx.x / 4; }

  View view_;
  Pack<float, 4> values_;
};

__device__ inline void product(const View& a, const View& b, int32_t depth, Results& c, bool adds = false) {
  ViewLoader rows(a), columns(b);
  multiply<T>(rows, columns, 0u, static_cast<uint32_t>(depth), c, adds);
}

// `rows` rows of [batch, time, heads, n] from row `at` on, side by side along the depth.
__device__ inline View rows_of(const Heads& h, const float* x, int32_t pair, int32_t time, int32_t n, int32_t at) {
  const int32_t stride = h.heads * n;
  return {
      x + h.origin(pair, time, n) + static_cast<int64_t>(at) * stride, stride, time - at, false, h.wide, h.precision};
}

// The same rows as the depth of a product: columns `first`… of n.
__device__ inline View columns_of(const Heads& h, const float* x, int32_t pair, int32_t time, int32_t n, int32_t at,
                                  int32_t first) {
  const int32_t stride = h.heads * n;
  return {x + h.origin(pair, time, n) + static_cast<int64_t>(at) * stride + first,
          stride,
          n - first,
          true,
          h.wide,
          h.precision};
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

// Grid: x pairs of batch and head, times blocks of queries; z groups of kSlices * 64 columns of y.
template <int kSlices>
__global__ void __launch_bounds__(kTileThreads, kSlices == 1 ? 2 : 1)
    attention_kernel(Heads h, int32_t blocks, float* y, float* lse) {
  __shared__ __align__(16) float shared_p[kSide][kRowP];
  const int32_t pair = blockIdx.x / blocks, query = blockIdx.x % blocks * kSide;
  const int32_t first = blockIdx.z * kSlices * kSide;
  const int32_t seen = h.causal ? min(h.keys, query + kSide) : h.keys;
  Results sums[kSlices];
  float largest[T::kTm], total[T::kTm];
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    largest[i] = -1e30f;
    total[i] = 0.f;
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) sums[slice][i] = {};
  }
  for (int32_t key = 0; key < seen; key += kSide) {
    Results p;
    product(rows_of(h, h.q, pair, h.queries, h.depth, query), rows_of(h, h.k, pair, h.keys, h.depth, key), h.depth, p);
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
      total[i] = total[i] * factor + row_reduce(sum, Sum{});
      largest[i] = most;
#pragma unroll
      for (int slice = 0; slice < kSlices; slice++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sums[slice][i].v[j] *= factor;
      }
      if (h.rate > 0.f) multiply_by(p[i], draw_keep(h, pair, query + T::row(i), key + T::column()));
    }
    share(shared_p, p);
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      product({&shared_p[0][0], kRowP, kSide, false, true, h.precision},
              columns_of(h, h.v, pair, h.keys, h.width, key, first + slice * kSide), min(kSide, h.keys - key),
              sums[slice], true);
    }
  }
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
    if (row >= h.queries) continue;
    const float factor = total[i] > 0.f ? 1.f / total[i] : total[i];
    float* to = y + h.origin(pair, h.queries, h.width) + static_cast<int64_t>(row) * h.heads * h.width;
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
#pragma unroll
      for (int j = 0; j < 4; j++) sums[slice][i].v[j] *= factor;
      write_run(to, first + slice * kSide + T::column(), h.width, sums[slice][i], false);
    }
    if (first == 0 && T::column() == 0) {
      lse[static_cast<int64_t>(pair) * h.queries + row] =
          total[i] > 0.f ? largest[i] + scalar::log(total[i]) : total[i];
    }
  }
}

struct Slopes {
  const float *lse, *dy, *delta;  // delta [batch, heads, queries]: dy·y
  float *dq, *dk, *dv;
};

// A warp a query and head.
template <int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    delta_kernel(Heads h, const float* y, const float* dy, float* delta, int64_t rows) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * (kTileThreads / kWarp) + threadIdx.x / kWarp;
  if (at >= rows) return;
  float sum = 0.f;
  for (int32_t c = threadIdx.x % kWarp * kWidth; c < h.width; c += kWarp * kWidth) {
    const Pack<float, kWidth> value = load_pack<kWidth>(y + at * h.width + c);
    const Pack<float, kWidth> slope = load_pack<kWidth>(dy + at * h.width + c);
#pragma unroll
    for (int k = 0; k < kWidth; k++) sum += value.v[k] * slope.v[k];
  }
  sum = warp_reduce(sum, Sum{});
  const int64_t head = at % h.heads, query = at / h.heads % h.queries, batch = at / h.heads / h.queries;
  if (threadIdx.x % kWarp == 0) delta[(batch * h.heads + head) * h.queries + query] = sum;
}

// Of a block of queries and keys: ds becomes the gradient of the products q·k, `weights` what v was summed with; a
// thread writes its own places of those, and needs a barrier before others read them.
template <bool kDrops>
__device__ inline void gradients(const Heads& h, const Slopes& g, int32_t pair, int32_t query, int32_t key,
                                 float (&weights)[kSide][kRowP], Results& ds) {
  Results p;
  product(rows_of(h, h.q, pair, h.queries, h.depth, query), rows_of(h, h.k, pair, h.keys, h.depth, key), h.depth, p);
  to_scores(h, pair, query, key, p);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
    const float lse = row < h.queries ? g.lse[static_cast<int64_t>(pair) * h.queries + row] : 0.f;
#pragma unroll
    for (int j = 0; j < 4; j++) p[i].v[j] = scalar::exp(p[i].v[j] - lse);
    store_pack(&weights[T::row(i)][T::column()], p[i]);
  }
  product(rows_of(h, g.dy, pair, h.queries, h.width, query), rows_of(h, h.v, pair, h.keys, h.width, key), h.width, ds);
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

// Writes a thread's part of 64 rows of [batch, time, heads, n], columns `first`….
__device__ inline void write_rows(const Heads& h, float* x, int32_t pair, int32_t time, int32_t n, int32_t at,
                                  int32_t first, const Results& values) {
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = at + T::row(i);
    if (row >= time) continue;
    float* to = x + h.origin(pair, time, n) + static_cast<int64_t>(row) * h.heads * n;
    write_run(to, first + T::column(), n, values[i], false);
  }
}

// Grid: x pairs times blocks of keys; z groups of kSlices * 64 columns of dk and dv.
template <int kSlices, bool kDrops>
__global__ void __launch_bounds__(kTileThreads, 1) key_gradient_kernel(Heads h, int32_t blocks, Slopes g) {
  __shared__ __align__(16) float shared_p[kSide][kRowP];
  const int32_t pair = blockIdx.x / blocks, key = blockIdx.x % blocks * kSide;
  const int32_t first = blockIdx.z * kSlices * kSide;
  Results dk[kSlices], dv[kSlices];
#pragma unroll
  for (int slice = 0; slice < kSlices; slice++) {
#pragma unroll
    for (int i = 0; i < T::kTm; i++) dk[slice][i] = dv[slice][i] = {};
  }
  const View transposed{&shared_p[0][0], kRowP, kSide, true, true, h.precision};
  for (int32_t query = h.causal ? key : 0; query < h.queries; query += kSide) {
    Results ds;
    const int32_t rows = min(kSide, h.queries - query);
    gradients<kDrops>(h, g, pair, query, key, shared_p, ds);
    __syncthreads();
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      product(transposed, columns_of(h, g.dy, pair, h.queries, h.width, query, first + slice * kSide), rows, dv[slice],
              true);
    }
    share(shared_p, ds);
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      product(transposed, columns_of(h, h.q, pair, h.queries, h.depth, query, first + slice * kSide), rows, dk[slice],
              true);
    }
  }
#pragma unroll
  for (int slice = 0; slice < kSlices; slice++) {
    write_rows(h, g.dk, pair, h.keys, h.depth, key, first + slice * kSide, dk[slice]);
    write_rows(h, g.dv, pair, h.keys, h.width, key, first + slice * kSide, dv[slice]);
  }
}

// Grid: x pairs times blocks of queries; z groups of kSlices * 64 columns of dq.
template <int kSlices, bool kDrops>
__global__ void __launch_bounds__(kTileThreads, kSlices == 1 && !kDrops ? 2 : 1)
    query_gradient_kernel(Heads h, int32_t blocks, Slopes g) {
  __shared__ __align__(16) float shared_p[kSide][kRowP];
  const int32_t pair = blockIdx.x / blocks, query = blockIdx.x % blocks * kSide;
  const int32_t first = blockIdx.z * kSlices * kSide;
  const int32_t seen = h.causal ? min(h.keys, query + kSide) : h.keys;
  Results dq[kSlices];
#pragma unroll
  for (int slice = 0; slice < kSlices; slice++) {
#pragma unroll
    for (int i = 0; i < T::kTm; i++) dq[slice][i] = {};
  }
  for (int32_t key = 0; key < seen; key += kSide) {
    Results ds;
    gradients<kDrops>(h, g, pair, query, key, shared_p, ds);
    share(shared_p, ds);
#pragma unroll
    for (int slice = 0; slice < kSlices; slice++) {
      product({&shared_p[0][0], kRowP, kSide, false, true, h.precision},
              columns_of(h, h.k, pair, h.keys, h.depth, key, first + slice * kSide), min(kSide, h.keys - key),
              dq[slice], true);
    }
  }
#pragma unroll
  for (int slice = 0; slice < kSlices; slice++) {
    write_rows(h, g.dq, pair, h.queries, h.depth, query, first + slice * kSide, dq[slice]);
  }
}

template <typename Args>
Heads heads_of(Prepare& prepare, const Args& args) {
  Heads h{};
  h.q = prepare.at(args.q);
  h.k = prepare.at(args.k);
  h.v = prepare.at(args.v);
  h.mask = prepare.at(args.mask);
  h.bias = prepare.at(args.bias);
  h.state = prepare.template at<int32_t>(args.state);
  h.queries = args.q.dims[1];
  h.heads = args.q.dims[2];
  h.depth = args.q.dims[3];
  h.keys = args.k.dims[1];
  h.width = args.v.dims[3];
  if (h.bias) {
    const int64_t matrix = static_cast<int64_t>(h.queries) * h.keys;
    h.bias_head = args.bias.dims[1] > 1 ? matrix : 0;
    h.bias_batch = args.bias.dims[0] > 1 ? matrix * args.bias.dims[1] : 0;
  }
  h.scale = args.scale;
  h.rate = args.rate;
  h.keep_scale = 1.f / (1.f - args.rate);
  h.stream = args.stream;
  h.causal = args.causal == Args::kCausalYes;
  h.wide = h.depth % 4 == 0 && h.width % 4 == 0;
  h.precision = precision_of(args);
  return h;
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

}  // namespace

Step attention(Prepare& prepare, const AttentionArgs& args) {
  const Heads h = heads_of(prepare, args);
  float *y = prepare.at(args.y), *lse = prepare.at(args.lse);
  const Blocks on(static_cast<int64_t>(args.q.dims[0]) * h.heads, h.queries, h.width);
  const auto kernel = on.two_slices ? attention_kernel<2> : attention_kernel<1>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, on.grid, dim3(kTileThreads), 0, h, on.per_pair, y, lse);
  };
}

Step attention_dx(Prepare& prepare, const AttentionDxArgs& args) {
  const Heads h = heads_of(prepare, args);
  const int64_t pairs = static_cast<int64_t>(args.q.dims[0]) * h.heads, rows = pairs * h.queries;
  const float* y = prepare.at(args.y);
  const Slopes g{prepare.at(args.lse), prepare.at(args.dy), nullptr,
                 prepare.at(args.dq),  prepare.at(args.dk), prepare.at(args.dv)};
  const Workspace workspace = prepare.workspace(rows * sizeof(float));
  const Blocks over_keys(pairs, h.keys, max(h.depth, h.width)), over_queries(pairs, h.queries, h.depth);
  const bool drops = h.rate > 0.f;
  const auto make_delta = h.wide ? delta_kernel<4> : delta_kernel<1>;
  const auto key_gradient = choose(over_keys, drops, key_gradient_kernel<1, false>, key_gradient_kernel<1, true>,
                                   key_gradient_kernel<2, false>, key_gradient_kernel<2, true>);
  const auto query_gradient =
      choose(over_queries, drops, query_gradient_kernel<1, false>, query_gradient_kernel<1, true>,
             query_gradient_kernel<2, false>, query_gradient_kernel<2, true>);
  return [=](cudaStream_t stream) {
    float* delta = static_cast<float*>(workspace.data());
    Slopes with = g;
    with.delta = delta;
    launch_cooperating(stream, make_delta, blocks_for(rows, kTileThreads / kWarp), dim3(kTileThreads), 0, h, y, g.dy,
                       delta, rows);
    launch_cooperating(stream, key_gradient, over_keys.grid, dim3(kTileThreads), 0, h, over_keys.per_pair, with);
    launch_cooperating(stream, query_gradient, over_queries.grid, dim3(kTileThreads), 0, h, over_queries.per_pair,
                       with);
  };
}

}  // namespace gradstep::cuda
