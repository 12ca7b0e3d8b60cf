// What the kernels of attention share (attention_forward.cuh, attention_dx.cuh): 64 x 64 scores a block at a time in
// registers; probabilities go through shared memory to be multiplied again. Unit multiplies: a tile of cuda/tile.cuh on
// FMA units, or one of cuda/tensor_tile.cuh, whose results change hands in shared memory, so that everything else is
// the same for both. Results wider than a block's registers are shared among the grid's z. q, k, v, y and their
// gradients may be stored in bfloat16, each by itself: units that reach them as Stored ask whenever they read or write;
// the others read and write float32 only.
#pragma once

#include <cstring>
#include <type_traits>

#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/stored.h"
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
  Stored q, k, v;  // [batch, time, heads, depth or width]
  const float *mask, *bias;
  const int32_t* state;
  int32_t queries, keys, heads, depth, width;
  int64_t bias_batch, bias_head;
  float scale, rate, keep_scale;
  uint32_t stream;
  bool causal;
  bool wide, wide_keys;  // whether rows of heads, and those of bias and mask, may be read four elements at a time
  Precision precision;   // of what products multiply

  __device__ int64_t origin(int32_t pair, int32_t time, int32_t n) const {
    return (static_cast<int64_t>(pair / heads) * time * heads + pair % heads) * n;
  }
};

// Four neighbours of a row, of which `inside` are there; 0 for the others.
template <typename S>
__device__ inline Pack<S, 4> neighbours(const S* from, int32_t inside, bool wide) {
  if (inside >= 4 && wide) return load_pack<4>(from);
  Pack<S, 4> four{};
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (j < inside) four.v[j] = from[j];
  }
  return four;
}

// The same as they are stored: in bfloat16 their bits are in the first two, so that nothing waits for them here.
__device__ inline Pack<float, 4> neighbours(const Stored& from, int32_t inside, bool wide) {
  if (!from.narrow) return neighbours(static_cast<const float*>(from.data), inside, wide);
  const Pack<Bfloat16, 4> four = neighbours(static_cast<const Bfloat16*>(from.data), inside, wide);
  Pack<float, 4> held{};
  memcpy(&held, &four, sizeof four);
  return held;
}

// A tile, and how it reaches tensors: float*, or Stored.
template <typename Tile, typename At_>
struct UnitOf : Tile {
  using At = At_;
  using Tile::put_along_k;
  using Tile::put_along_rows;

  // Nothing to round any more.
  template <typename Slice>
  static __device__ void put_along_k(Slice& to, int row, int k, const Pack<Bfloat16, 4>& four, Precision precision) {
    if constexpr (std::is_same_v<Tile, T>) {
      Tile::put_along_k(to, row, k, load_wide<4>(four.v), precision);
    } else {
      store_pack(to.at(row, k), four);
    }
  }
  template <typename Slice>
  static __device__ void put_along_rows(Slice& to, int row, int k, const Pack<Bfloat16, 4>& four, Precision precision) {
    if constexpr (std::is_same_v<Tile, T>) {
      Tile::put_along_rows(to, row, k, load_wide<4>(four.v), precision);
    } else {
      store_pack(to.at(k, row), four);
    }
  }

  static __device__ At reach(const Stored& tensor) {
    if constexpr (std::is_pointer_v<At>) {
      return static_cast<At>(tensor.data);
    } else {
      return tensor;
    }
  }
};

// Tensor cores: shallow or not unrolled, as the kernels have no registers left for more.
using Float32Unit = UnitOf<T, float*>;
using StoredUnit = UnitOf<T, Stored>;
using Bfloat16Unit = UnitOf<TensorTile<RoundedBfloat16, kSide, kSide, 4, 1>, Stored>;
using Tf32Unit = UnitOf<TensorTile<Tf32, kSide, kSide, 2, 2, 1>, float*>;

// Rows (of A, or columns of B) of a matrix whose elements are side by side along the rows, or else along the depth.
template <bool kAlongRows, typename At>
struct View {
  At data;
  int32_t stride;  // to the next depth, or else to the next row
  int32_t rows;
  bool wide;
  Precision precision;
};

// A thread reads four neighbours at a time of a slice of Unit, 64 rows.
template <typename Unit, bool kAlongRows, typename At>
class ViewLoader {
 public:
  static constexpr bool kAlongK = !kAlongRows;

  __device__ explicit ViewLoader(const View<kAlongRows, At>& view)
      : from_(view.data + (kAlongRows ? static_cast<int64_t>(depth(0)) * view.stride + row(0)
                                      : static_cast<int64_t>(row(0)) * view.stride + depth(0))),
        view_(view) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t left = static_cast<int32_t>(k_end - k_begin) - depth(pass), below = view_.rows - row(pass);
      values_[pass] = {};
      if (left <= 0 || below <= 0) continue;
      const At from = from_ + static_cast<int64_t>(pass * kAcross) * view_.stride;
      values_[pass] = neighbours(from, kAlongRows ? below : left, view_.wide);
    }
    from_ = from_ + (kAlongRows ? static_cast<int64_t>(Unit::kDepth) * view_.stride : Unit::kDepth);
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      if constexpr (!std::is_pointer_v<At>) {
        if (view_.data.narrow) {
          Pack<Bfloat16, 4> four;
          memcpy(&four, &values_[pass], sizeof four);
          put(to, pass, four);
          continue;
        }
      }
      put(to, pass, values_[pass]);
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

  template <typename Slice, typename S>
  __device__ void put(Slice& to, int pass, const Pack<S, 4>& four) const {
    if constexpr (kAlongRows) {
      Unit::put_along_rows(to, row(pass), depth(pass), four, view_.precision);
    } else {
      Unit::put_along_k(to, row(pass), depth(pass), four, view_.precision);
    }
  }

  At from_;  // in the next slice
  View<kAlongRows, At> view_;
  Pack<float, 4> values_[kPasses];
};

// What products need of shared memory: slices of both operands, twice, and on tensor cores afterwards 64 x 64 results.
constexpr int kProductBytes = 4 * T::kDepth * T::kRowA * static_cast<int>(sizeof(float));

// Where a result stands there: rows are turned, so that no two that a warp writes or reads at a time share a bank.
__device__ inline int exchanged(int row, int column) { return row * kSide + (column ^ row % 8 * 8); }

// c += a·b.
template <typename Unit, bool kA, typename AtA, bool kB, typename AtB>
__device__ inline void add_product(unsigned char* memory, const View<kA, AtA>& a, const View<kB, AtB>& b, int32_t depth,
                                   typename Unit::Results& c) {
  using A = ViewLoader<Unit, kA, AtA>;
  using B = ViewLoader<Unit, kB, AtB>;
  using SlicesA = typename Unit::template Slice<kSide, A>[2];
  using SlicesB = typename Unit::template Slice<kSide, B>[2];
  static_assert(sizeof(SlicesA) + sizeof(SlicesB) <= kProductBytes, "room for both");
  A rows(a);
  B columns(b);
  multiply<Unit>(*reinterpret_cast<SlicesA*>(memory), *reinterpret_cast<SlicesB*>(memory + sizeof(SlicesA)), rows,
                 columns, 0u, static_cast<uint32_t>(depth), c);
}

// a·b, as T's threads hold it, whatever unit multiplies.
template <typename Unit, bool kA, typename AtA, bool kB, typename AtB>
__device__ inline void product(unsigned char* memory, const View<kA, AtA>& a, const View<kB, AtB>& b, int32_t depth,
                               Results& c) {
  typename Unit::Results own = {};
  add_product<Unit>(memory, a, b, depth, own);
  if constexpr (std::is_base_of_v<T, Unit>) {
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

// Rows of [batch, time, heads, n] from row `at` on, side by side along the depth.
template <typename Unit>
__device__ inline View<false, typename Unit::At> rows_of(const Heads& h, const Stored& x, int32_t pair, int32_t time,
                                                         int32_t n, int32_t at) {
  const int32_t stride = h.heads * n;
  const typename Unit::At from = Unit::reach(x) + (h.origin(pair, time, n) + static_cast<int64_t>(at) * stride);
  return {from, stride, time - at, h.wide, h.precision};
}

// The same rows as the depth of a product: columns `first`… of n.
template <typename Unit>
__device__ inline View<true, typename Unit::At> columns_of(const Heads& h, const Stored& x, int32_t pair, int32_t time,
                                                           int32_t n, int32_t at, int32_t first) {
  const int32_t stride = h.heads * n;
  const typename Unit::At from = Unit::reach(x) + (h.origin(pair, time, n) + static_cast<int64_t>(at) * stride + first);
  return {from, stride, n - first, h.wide, h.precision};
}

// Products of a block of queries and keys become scores; what is not seen becomes -infinity.
__device__ inline void to_scores(const Heads& h, int32_t pair, int32_t query, int32_t key, Results& s) {
  const int32_t first = key + T::column(), left = h.keys - first;
  const float* bias = h.bias ? h.bias + pair / h.heads * h.bias_batch + pair % h.heads * h.bias_head : nullptr;
  const float* mask = h.mask ? h.mask + static_cast<int64_t>(pair / h.heads) * h.keys : nullptr;
  Pack<float, 4> shown{1.f, 1.f, 1.f, 1.f};
  if (mask) shown = neighbours(mask + first, left, h.wide_keys);
#pragma unroll
  for (int i = 0; i < T::kTm; i++) {
    const int32_t row = query + T::row(i);
    Pack<float, 4> added{};
    if (bias && row < h.queries) {
      added = neighbours(bias + static_cast<int64_t>(row) * h.keys + first, left, h.wide_keys);
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const bool seen = row < h.queries && j < left && (!h.causal || first + j <= row) && shown.v[j] != 0.f;
      s[i].v[j] = seen ? s[i].v[j] * h.scale + added.v[j] : -INFINITY;
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

// Four neighbours of a row of n from column `at` on, those inside it; all at once where n divides by four.
__device__ inline void write_quad(const Stored& row, int32_t at, int32_t n, const Pack<float, 4>& values) {
  if (n % 4 == 0) {
    if (at < n) store_narrow(row + at, values);
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (at + j < n) store_narrow(row + (at + j), Pack<float, 1>{{values.v[j]}});
  }
}

// Writes a thread's part of 64 rows of [batch, time, heads, n], columns `first`….
template <typename Unit>
__device__ inline void write_rows(const Heads& h, const Stored& x, int32_t pair, int32_t time, int32_t n, int32_t at,
                                  int32_t first, const typename Unit::Results& values) {
#pragma unroll
  for (int i = 0; i < Unit::kRows; i++) {
    const int32_t row = at + Unit::row(i);
    const auto to = Unit::reach(x) + (h.origin(pair, time, n) + static_cast<int64_t>(row) * h.heads * n);
    if constexpr (std::is_pointer_v<typename Unit::At>) {
      if (row >= time) continue;
#pragma unroll
      for (int j = 0; j < Unit::kRuns; j++) {
        write_run(to, first + Unit::column(j), n, values[i * Unit::kRuns + j], false);
      }
    } else {
#pragma unroll
      for (int j = 0; j < Unit::kQuads; j++) {
        const Pack<float, 4> quad = Unit::quad(values, i, j);  // by all threads of a warp
        if (row < time) write_quad(to, first + Unit::quad_column(j), n, quad);
      }
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

}  // namespace attend
}  // namespace gradstep::cuda
