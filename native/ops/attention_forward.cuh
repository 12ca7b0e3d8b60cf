// attention forward (attention.cuh): a block of 64 queries walks through the keys with a running maximum and sum.
#pragma once

#include "ops/attention.cuh"

namespace gradstep::cuda {
namespace attend {

// Grid: x pairs of batch and head, times blocks of queries; z groups of kSlices * 64 columns of y.
template <typename Unit, int kSlices>
__global__ void __launch_bounds__(kTileThreads, kSlices == 1 ? 2 : 1)
    attention_kernel(Heads h, int32_t blocks, Stored y, float* lse) {
  if constexpr (!Unit::kAvailable) {
    trap();
  } else {
    __shared__ __align__(16) unsigned char memory[kProductBytes];
    __shared__ __align__(16) float shared_p[kSide][kRowP];
    __shared__ float factors[kSide];  // of rows of sums: what scores know, for those who hold the sums
    const int32_t pair = blockIdx.x / blocks, query = blockIdx.x % blocks * kSide;
    const int32_t first = blockIdx.z * kSlices * kSide;
    const int32_t seen = h.causal ? min(h.keys, query + kSide) : h.keys;
    const View<false, float*> probabilities{&shared_p[0][0], kRowP, kSide, true, h.precision};
    typename Unit::Results sums[kSlices] = {};
    float largest[T::kTm], total[T::kTm];
#pragma unroll
    for (int i = 0; i < T::kTm; i++) {
      largest[i] = -1e30f;
      total[i] = 0.f;
    }
    for (int32_t key = 0; key < seen; key += kSide) {
      Results p;
      product<Unit>(memory, rows_of<Unit>(h, h.q, pair, h.queries, h.depth, query),
                    rows_of<Unit>(h, h.k, pair, h.keys, h.depth, key), h.depth, p);
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
        add_product<Unit>(memory, probabilities,
                          columns_of<Unit>(h, h.v, pair, h.keys, h.width, key, first + slice * kSide),
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

template <typename Unit>
Step run_attention(const Heads& h, int64_t pairs, const Stored& y, float* lse) {
  const Blocks on(pairs, h.queries, h.width);
  const auto kernel = on.two_slices ? attention_kernel<Unit, 2> : attention_kernel<Unit, 1>;
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, on.grid, dim3(kTileThreads), 0, h, on.per_pair, y, lse);
  };
}

extern template Step run_attention<StoredUnit>(const Heads&, int64_t, const Stored&, float*);
extern template Step run_attention<Bfloat16Unit>(const Heads&, int64_t, const Stored&, float*);
extern template Step run_attention<Tf32Unit>(const Heads&, int64_t, const Stored&, float*);

}  // namespace attend
}  // namespace gradstep::cuda
