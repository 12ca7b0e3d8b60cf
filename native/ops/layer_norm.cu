// layer_norm and its gradient on CUDA: a warp a row, or a block where rows are long; passes over a row that stays in
// the caches. The variance is taken around a first mean and corrected by what that was off. Where a team's registers
// hold a row, one pass makes dx and the team's shares of dgamma and dbeta; elsewhere these are sums down the columns.
// A last launch adds up the shares, in order.
#include "cuda/prepare.h"
#include "cuda/stored.h"
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

template <int kTeam, int kWidth, typename At>
__device__ inline float2 row_deviations(At x, float from, int32_t length) {
  return row_sums<kTeam, kWidth>(length, [&](int32_t i, float& first, float& second) {
    const Pack<float, kWidth> v = load_wide<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      const float d = v.v[k] - from;
      first += d;
      second += d * d;
    }
  });
}

template <typename At>
struct RowNorm {
  At x, y;
  const float *gamma, *beta;  // [length], or null
  float *mean, *rstd;         // mean: or null, where nobody reads it
  bool centred;               // not rms
  int64_t rows;
  int32_t length;
  float epsilon;
};

template <int kTeam, int kWidth, typename At>
__global__ void __launch_bounds__(kRowThreads, kRowBlocks) layer_norm_kernel(RowNorm<At> n) {
  const int64_t row = Team<kTeam>::row();
  if (row >= n.rows) return;
  const At x = n.x + row * n.length;
  const float share = 1.f / static_cast<float>(n.length);
  float mean = 0.f;
  if (n.centred) {
    const float first = load_wide<1>(x).v[0];
    mean = row_deviations<kTeam, kWidth>(x, first, n.length).x * share + first;
  }
  const float2 d = row_deviations<kTeam, kWidth>(x, mean, n.length);
  const float off = n.centred ? d.x * share : 0.f;
  mean += off;
  const float variance = d.y * share - off * off;
  const float rstd = 1.f / sqrtf((variance < 0.f ? 0.f : variance) + n.epsilon);
  if (Team<kTeam>::member() == 0) {
    if (n.mean) n.mean[row] = mean;
    n.rstd[row] = rstd;
  }
  for (int32_t i = Team<kTeam>::member() * kWidth; i < n.length; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_wide<kWidth>(x + i);
    const Pack<float, kWidth> weight = load_or<kWidth>(n.gamma, i, 1.f), shift = load_or<kWidth>(n.beta, i, 0.f);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] = (v.v[k] - mean) * rstd * weight.v[k] + shift.v[k];
    store_narrow(n.y + row * n.length + i, v);
  }
}

template <typename At>
struct RowNormGrad {
  At x, dy, dx;
  const float *gamma, *mean, *rstd;  // gamma: or null; mean: null makes it rms
  int64_t rows;
  int32_t length;
};

template <int kTeam, int kWidth, typename At>
__global__ void __launch_bounds__(kRowThreads) layer_norm_dx_kernel(RowNormGrad<At> n) {
  const int64_t row = Team<kTeam>::row();
  if (row >= n.rows) return;
  const int64_t at = row * n.length;
  const float mean = n.mean ? n.mean[row] : 0.f, rstd = n.rstd[row];
  const float2 sums = row_sums<kTeam, kWidth>(n.length, [&](int32_t i, float& first, float& second) {
    const Pack<float, kWidth> v = load_wide<kWidth>(n.x + at + i), d = load_wide<kWidth>(n.dy + at + i);
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
    const Pack<float, kWidth> v = load_wide<kWidth>(n.x + at + i);
    Pack<float, kWidth> d = load_wide<kWidth>(n.dy + at + i);
    const Pack<float, kWidth> weight = load_or<kWidth>(n.gamma, i, 1.f);
#pragma unroll
    for (int k = 0; k < kWidth; k++) d.v[k] = rstd * weight.v[k] * d.v[k] + (slope * (v.v[k] - mean) + offset);
    store_narrow(n.dx + at + i, d);
  }
}

constexpr int kMostPacks = 4;  // packs of a row that a thread of the fused kernel holds

// dx, and partial[block] = {dgamma, dbeta}[length] of the block's rows, kTeam threads a row. length divides by 4.
template <int kTeam, int kPacks, typename At>
__global__ void __launch_bounds__(kRowThreads) layer_norm_grad_kernel(RowNormGrad<At> n, float* partial) {
  constexpr int kTeams = kRowThreads / kTeam;
  const int32_t member = Team<kTeam>::member();
  const float share = 1.f / static_cast<float>(n.length);
  Pack<float, 4> weight[kPacks], scale[kPacks], shift[kPacks];
#pragma unroll
  for (int p = 0; p < kPacks; p++) {
    const int32_t column = (p * kTeam + member) * 4;
    weight[p] = column < n.length ? load_or<4>(n.gamma, column, 1.f) : Pack<float, 4>{};
    scale[p] = shift[p] = Pack<float, 4>{};
  }
  for (int64_t row = Team<kTeam>::row(); row < n.rows; row += static_cast<int64_t>(gridDim.x) * kTeams) {
    const int64_t at = row * n.length;
    const float mean = n.mean ? n.mean[row] : 0.f, rstd = n.rstd[row];
    Pack<float, 4> centred[kPacks], d[kPacks];
    float first = 0.f, second = 0.f;
#pragma unroll
    for (int p = 0; p < kPacks; p++) {
      const int32_t column = (p * kTeam + member) * 4;
      const bool inside = column < n.length;
      centred[p] = inside ? load_wide<4>(n.x + at + column) : Pack<float, 4>{};
      d[p] = inside ? load_wide<4>(n.dy + at + column) : Pack<float, 4>{};
#pragma unroll
      for (int k = 0; k < 4; k++) {
        centred[p].v[k] -= mean;
        const float g = weight[p].v[k] * d[p].v[k];
        first += g;
        second += g * centred[p].v[k];
      }
    }
    first = Team<kTeam>::reduce(first, Sum{}, 0.f);
    second = Team<kTeam>::reduce(second, Sum{}, 0.f);
    const float slope = -rstd * rstd * rstd * second * share, offset = n.mean ? -rstd * first * share : 0.f;
#pragma unroll
    for (int p = 0; p < kPacks; p++) {
      const int32_t column = (p * kTeam + member) * 4;
#pragma unroll
      for (int k = 0; k < 4; k++) {
        const float dy = d[p].v[k];
        scale[p].v[k] += dy * (centred[p].v[k] * rstd);
        shift[p].v[k] += dy;
        d[p].v[k] = rstd * weight[p].v[k] * dy + (slope * centred[p].v[k] + offset);
      }
      if (column < n.length) store_narrow(n.dx + at + column, d[p]);
    }
  }
  // Teams take turns at the block's share.
  constexpr int kColumns = kTeams == 1 ? 1 : kTeam * kPacks;
  __shared__ Pack<float, 4> sums[2][kColumns];
  for (int turn = 0; turn + 1 < kTeams; turn++) {
    if (static_cast<int>(threadIdx.x) / kTeam == turn) {
#pragma unroll
      for (int p = 0; p < kPacks; p++) {
        const int32_t column = p * kTeam + member;
#pragma unroll
        for (int k = 0; k < 4; k++) {
          sums[0][column].v[k] = scale[p].v[k] + (turn == 0 ? 0.f : sums[0][column].v[k]);
          sums[1][column].v[k] = shift[p].v[k] + (turn == 0 ? 0.f : sums[1][column].v[k]);
        }
      }
    }
    __syncthreads();
  }
  if (static_cast<int>(threadIdx.x) / kTeam != kTeams - 1) return;
  float* to = partial + static_cast<int64_t>(blockIdx.x) * 2 * n.length;
#pragma unroll
  for (int p = 0; p < kPacks; p++) {
    const int32_t column = (p * kTeam + member) * 4;
    if (column >= n.length) continue;
    if constexpr (kTeams > 1) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        scale[p].v[k] += sums[0][column / 4].v[k];
        shift[p].v[k] += sums[1][column / 4].v[k];
      }
    }
    store_pack(to + column, scale[p]);
    store_pack(to + n.length + column, shift[p]);
  }
}

template <int kTeam, typename At>
auto fused_kernel(int32_t length) {
  const int packs = (length + 4 * kTeam - 1) / (4 * kTeam);
  return packs == 1   ? layer_norm_grad_kernel<kTeam, 1, At>
         : packs == 2 ? layer_norm_grad_kernel<kTeam, 2, At>
                      : layer_norm_grad_kernel<kTeam, kMostPacks, At>;
}

// dgamma's and dbeta's terms.
template <typename At>
struct RowProducts {
  At x, dy;
  const float *mean, *rstd;
  int64_t length;

  template <int kPack>
  __device__ int column(int64_t, int64_t, int64_t) const {
    return 0;
  }
  template <int kPack>
  __device__ void add(int, int64_t row, int64_t column, Pack<float, kPack>& s1, Pack<float, kPack>& s2) const {
    const Pack<float, kPack> v = load_wide<kPack>(x + row * length + column);
    const Pack<float, kPack> d = load_wide<kPack>(dy + row * length + column);
    const float m = mean ? mean[row] : 0.f, r = rstd[row];
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      s1.v[k] += d.v[k] * ((v.v[k] - m) * r);
      s2.v[k] += d.v[k];
    }
  }
};

// A warp for each column. first, second: or null.
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
  if (first) first[column] = static_cast<float>(s1);
  if (second) second[column] = static_cast<float>(s2);
}

template <int kPack, typename At>
Step make_layer_norm(Prepare& prepare, const LayerNormArgs& args, Access<kPack, At>) {
  const int64_t rows = args.x.size() / args.length;
  const RowNorm<At> n{address_of<At>(prepare, args.x),
                      address_of<At>(prepare, args.y),
                      prepare.at(args.gamma),
                      prepare.at(args.beta),
                      prepare.at(args.mean),
                      prepare.at(args.rstd),
                      args.kind == LayerNormArgs::kKindStandard,
                      rows,
                      args.length,
                      args.epsilon};
  const RowLayout layout(rows, args.length);
  const auto kernel =
      layout.block_per_row ? layer_norm_kernel<kRowThreads, kPack, At> : layer_norm_kernel<kWarp, kPack, At>;
  return [=](cudaStream_t stream) { launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, n); };
}

template <int kPack, typename At>
Step make_layer_norm_grad(Prepare& prepare, const LayerNormGradArgs& args, Access<kPack, At>) {
  const int64_t rows = args.x.size() / args.length;
  const RowNormGrad<At> n{address_of<At>(prepare, args.x),
                          address_of<At>(prepare, args.dy),
                          address_of<At>(prepare, args.dx),
                          prepare.at(args.gamma),
                          prepare.at(args.mean),
                          prepare.at(args.rstd),
                          rows,
                          args.length};
  float *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
  const RowLayout layout(rows, args.length);
  const auto dx_kernel =
      layout.block_per_row ? layer_norm_dx_kernel<kRowThreads, kPack, At> : layer_norm_dx_kernel<kWarp, kPack, At>;
  if (!dgamma && !dbeta) {
    return [=](cudaStream_t stream) { launch_cooperating(stream, dx_kernel, layout.grid, dim3(kRowThreads), 0, n); };
  }
  const int64_t length = args.length;
  const dim3 warps = blocks_for(length, kColumnThreads / kWarp);
  if constexpr (kIsCommon<At>) {
    if (length % 4 == 0 && length <= 4 * kRowThreads * kMostPacks) {
      const bool warp = length <= 4 * kWarp * kMostPacks;
      const auto kernel = warp ? fused_kernel<kWarp, At>(args.length) : fused_kernel<kRowThreads, At>(args.length);
      // At least eight rows a team, so that the shares stay small beside x.
      const int64_t wanted = rows / (warp ? 8 * kRowThreads / kWarp : 8);
      const int64_t blocks = std::clamp<int64_t>(wanted, 1, int64_t{prepare.multiprocessors()} * 4);
      const Workspace workspace = prepare.workspace(blocks * 2 * length * sizeof(float));
      return [=](cudaStream_t stream) {
        float* partial = static_cast<float*>(workspace.data());
        launch_cooperating(stream, kernel, blocks_for(blocks, 1), dim3(kRowThreads), 0, n, partial);
        launch_cooperating(stream, add_slices_kernel, warps, dim3(kColumnThreads), 0, blocks, length, partial, dgamma,
                           dbeta);
      };
    }
  }
  const ColumnGrid columns = plan_columns(1, rows, length, prepare.multiprocessors(), 64, std::max(kPack, 4));
  const Workspace workspace = prepare.workspace(columns.sums() * sizeof(float));
  return [=](cudaStream_t stream) {
    float* partial = static_cast<float*>(workspace.data());
    // First of all: dx may take over x or dy.
    launch_column_sums<kPack>(stream, columns, RowProducts<At>{n.x, n.dy, n.mean, n.rstd, n.length}, partial);
    launch_cooperating(stream, add_slices_kernel, warps, dim3(kColumnThreads), 0, columns.slices, length, partial,
                       dgamma, dbeta);
    launch_cooperating(stream, dx_kernel, layout.grid, dim3(kRowThreads), 0, n);
  };
}

}  // namespace

Step layer_norm(Prepare& prepare, const LayerNormArgs& args) {
  return by_access(args.length, {&args.x, &args.y},
                   [&](auto access) { return make_layer_norm(prepare, args, access); });
}

Step layer_norm_grad(Prepare& prepare, const LayerNormGradArgs& args) {
  return by_access(args.length, {&args.x, &args.dy, &args.dx},
                   [&](auto access) { return make_layer_norm_grad(prepare, args, access); });
}

}  // namespace gradstep::cuda
