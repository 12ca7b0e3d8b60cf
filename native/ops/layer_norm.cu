// layer_norm and its gradient on CUDA: a warp a row, or a block where rows are long; passes over a row that stays in
// the caches. The variance is taken around a first mean and corrected by what that was off. dgamma and dbeta are sums
// down the columns, in slices that a last launch adds up.
#include "cuda/prepare.h"
#include "generated/args/layer_norm.h"
#include "ops/column_sums.cuh"
#include "ops/softmax.cuh"

namespace gradstep::cuda {
namespace {

// Sums over a row of what term(i, first, second) adds for kWidth elements from i on; every member gets them.
template <int kTeam, int kWidth, typename Term>
__device__ inline float2 row_sums(int32_t length, Term term) {
  float first = 0.f, second = 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < length; i += kTeam * kWidth) term(i, first, second);
  first = Team<kTeam>::reduce(first, Sum{}, 0.f);
  second = Team<kTeam>::reduce(second, Sum{}, 0.f);
  return make_float2(first, second);
}

template <int kTeam, int kWidth>
__device__ inline float2 row_deviations(const float* x, float from, int32_t length) {
  return row_sums<kTeam, kWidth>(length, [&](int32_t i, float& first, float& second) {
    const Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      const float d = v.v[k] - from;
      first += d;
      second += d * d;
    }
  });
}

// kWidth elements of an array, or of `otherwise` where there is none.
template <int kWidth>
__device__ inline Pack<float, kWidth> load_or(const float* from, int32_t at, float otherwise) {
  if (from) return load_pack<kWidth>(from + at);
  Pack<float, kWidth> pack;
#pragma unroll
  for (int k = 0; k < kWidth; k++) pack.v[k] = otherwise;
  return pack;
}

struct RowNorm {
  const float *x, *gamma, *beta;  // gamma, beta: [length], or null
  float *y, *mean, *rstd;         // mean: null makes it rms
  int64_t rows;
  int32_t length;
  float epsilon;
};

template <int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads) layer_norm_kernel(RowNorm n) {
  const int64_t row = Team<kTeam>::row();
  if (row >= n.rows) return;
  const float* x = n.x + row * n.length;
  const float share = 1.f / static_cast<float>(n.length);
  float mean = 0.f;
  if (n.mean) mean = row_deviations<kTeam, kWidth>(x, x[0], n.length).x * share + x[0];
  const float2 d = row_deviations<kTeam, kWidth>(x, mean, n.length);
  const float off = n.mean ? d.x * share : 0.f;
  mean += off;
  const float variance = d.y * share - off * off;
  const float rstd = 1.f / sqrtf((variance < 0.f ? 0.f : variance) + n.epsilon);
  if (Team<kTeam>::member() == 0) {
    if (n.mean) n.mean[row] = mean;
    n.rstd[row] = rstd;
  }
  for (int32_t i = Team<kTeam>::member() * kWidth; i < n.length; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(x + i);
    const Pack<float, kWidth> weight = load_or<kWidth>(n.gamma, i, 1.f), shift = load_or<kWidth>(n.beta, i, 0.f);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] = (v.v[k] - mean) * rstd * weight.v[k] + shift.v[k];
    store_pack(n.y + row * n.length + i, v);
  }
}

struct RowNormGrad {
  const float *x, *dy, *gamma, *mean, *rstd;  // gamma, mean: or null, as above
  float* dx;
  int64_t rows;
  int32_t length;
};

template <int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads) layer_norm_dx_kernel(RowNormGrad n) {
  const int64_t row = Team<kTeam>::row();
  if (row >= n.rows) return;
  const int64_t at = row * n.length;
  const float mean = n.mean ? n.mean[row] : 0.f, rstd = n.rstd[row];
  const float2 sums = row_sums<kTeam, kWidth>(n.length, [&](int32_t i, float& first, float& second) {
    const Pack<float, kWidth> v = load_pack<kWidth>(n.x + at + i), d = load_pack<kWidth>(n.dy + at + i);
    const Pack<float, kWidth> weight = load_or<kWidth>(n.gamma, i, 1.f);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      const float g = weight.v[k] * d.v[k];
      first += g;
      second += g * (v.v[k] - mean);
    }
  });
  const float count = static_cast<float>(n.length);
  const float slope = -rstd * rstd * rstd * sums.y / count, offset = n.mean ? -rstd * sums.x / count : 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < n.length; i += kTeam * kWidth) {
    const Pack<float, kWidth> v = load_pack<kWidth>(n.x + at + i);
    Pack<float, kWidth> d = load_pack<kWidth>(n.dy + at + i);
    const Pack<float, kWidth> weight = load_or<kWidth>(n.gamma, i, 1.f);
#pragma unroll
    for (int k = 0; k < kWidth; k++) d.v[k] = rstd * weight.v[k] * d.v[k] + (slope * (v.v[k] - mean) + offset);
    store_pack(n.dx + at + i, d);
  }
}

// dgamma's and dbeta's terms.
struct RowProducts {
  const float *x, *dy, *mean, *rstd;
  int64_t length;

  template <int kPack>
  __device__ int column(int64_t, int64_t, int64_t) const {
    return 0;
  }
  template <int kPack>
  __device__ void add(int, int64_t row, int64_t column, Pack<float, kPack>& s1, Pack<float, kPack>& s2) const {
    const Pack<float, kPack> v = load_pack<kPack>(x + row * length + column);
    const Pack<float, kPack> d = load_pack<kPack>(dy + row * length + column);
    const float m = mean ? mean[row] : 0.f, r = rstd[row];
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      s1.v[k] += d.v[k] * ((v.v[k] - m) * r);
      s2.v[k] += d.v[k];
    }
  }
};

// A warp for each column.
__global__ void __launch_bounds__(kColumnThreads)
    add_slices_kernel(int64_t slices, int64_t columns, const float* partial, float* first, float* second) {
  const int64_t column = warp_item();
  if (column >= columns) return;
  const int32_t lane = threadIdx.x % kWarp;
  double s1 = 0, s2 = 0;
  for (int64_t i = lane; i < slices; i += kWarp) {
    s1 += partial[i * 2 * columns + column];
    s2 += partial[(i * 2 + 1) * columns + column];
  }
  s1 = warp_reduce(s1, Sum{});
  s2 = warp_reduce(s2, Sum{});
  if (lane != 0) return;
  first[column] = static_cast<float>(s1);
  second[column] = static_cast<float>(s2);
}

}  // namespace

Step layer_norm(Prepare& prepare, const LayerNormArgs& args) {
  const int64_t rows = args.x.size() / args.length;
  const RowNorm n{prepare.at(args.x),
                  prepare.at(args.gamma),
                  prepare.at(args.beta),
                  prepare.at(args.y),
                  prepare.at(args.mean),
                  prepare.at(args.rstd),
                  rows,
                  args.length,
                  args.epsilon};
  const RowLayout layout(rows, args.length);
  const auto kernel = choose(layout, layer_norm_kernel<kWarp, 1>, layer_norm_kernel<kWarp, 4>,
                             layer_norm_kernel<kRowThreads, 1>, layer_norm_kernel<kRowThreads, 4>);
  return [=](cudaStream_t stream) { launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, n); };
}

Step layer_norm_grad(Prepare& prepare, const LayerNormGradArgs& args) {
  const int64_t rows = args.x.size() / args.length;
  const RowNormGrad n{prepare.at(args.x),
                      prepare.at(args.dy),
                      prepare.at(args.gamma),
                      prepare.at(args.mean),
                      prepare.at(args.rstd),
                      prepare.at(args.dx),
                      rows,
                      args.length};
  float *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
  const RowLayout layout(rows, args.length);
  const auto kernel = choose(layout, layer_norm_dx_kernel<kWarp, 1>, layer_norm_dx_kernel<kWarp, 4>,
                             layer_norm_dx_kernel<kRowThreads, 1>, layer_norm_dx_kernel<kRowThreads, 4>);
  const ColumnGrid columns = plan_columns(1, rows, args.length, prepare.multiprocessors(), 64);
  const Workspace workspace = prepare.workspace(dgamma ? columns.sums() * sizeof(float) : 0);
  const dim3 warps = blocks_for(args.length, kColumnThreads / kWarp);
  return [=](cudaStream_t stream) {
    if (dgamma) {  // first: dx may take over x or dy
      float* partial = static_cast<float*>(workspace.data());
      launch_column_sums(stream, columns, RowProducts{n.x, n.dy, n.mean, n.rstd, n.length}, partial);
      launch_cooperating(stream, add_slices_kernel, warps, dim3(kColumnThreads), 0, columns.slices, columns.channels,
                         partial, dgamma, dbeta);
    }
    launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, n);
  };
}

}  // namespace gradstep::cuda
