// channel_norm_grad on CUDA, three launches: sums of dy and dy (x - mean) of each channel's slices, writing dresidual
// where that is wanted; from these, a warp an item, what the channels of a group share, and dgamma and dbeta; then dx,
// from dresidual where that has been made, as its mask is applied already.
#include "cuda/prepare.h"
#include "generated/args/channel_norm.h"
#include "ops/channel_norm.cuh"

namespace gradstep::cuda {
namespace {

struct Given {
  NormParameters parameters;
  const float *x, *dy, *y;  // y or null
  float* dresidual;         // or null
};

// Sums, and dresidual on the way where that is wanted.
template <NormMask kMask>
struct Products : Given {
  template <int kPack>
  __device__ NormColumns<kPack> column(int64_t sample, int64_t, int64_t column) const {
    return NormColumns<kPack>(parameters, sample, column);
  }
  template <int kPack>
  __device__ void add(const NormColumns<kPack>& columns, int64_t row, int64_t column, Pack<float, kPack>& s1,
                      Pack<float, kPack>& s2) const {
    const int64_t at = pack_at<kPack>(row, parameters.shape.channels, column);
    const Pack<float, kPack> v = load_pack<kPack>(x + at);
    Pack<float, kPack> d = load_pack<kPack>(dy + at), mask{};
    if constexpr (kMask == NormMask::kFromY) mask = load_pack<kPack>(y + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      d.v[k] = norm_masked<kMask>(d.v[k], v.v[k], mask.v[k], columns.channel[k]);
      s1.v[k] += d.v[k];
      s2.v[k] += d.v[k] * (v.v[k] - columns.channel[k].mean);
    }
    if constexpr (kMask == NormMask::kFromY) {
      if (dresidual) store_pack(dresidual + at, d);
    }
  }
};

// The first warps make shared[sample, group] = {A, B} (see ops/channel_norm.h), where that is wanted; one for each
// channel makes dgamma and dbeta.
__global__ void __launch_bounds__(kColumnThreads)
    finish_kernel(ColumnGrid g, NormParameters p, const float* partial, float2* shared, int64_t groups, float* dgamma,
                  float* dbeta) {
  const int64_t item = warp_item();
  const int32_t lane = threadIdx.x % kWarp;
  const int64_t channel = item - groups;
  if (channel >= g.channels) return;
  double first = 0, second = 0;
  if (item < groups) {
    const int64_t sample = item / p.shape.groups, each = p.shape.per_group();
    for (int64_t i = lane; i < g.slices * each; i += kWarp) {
      const int64_t c = item % p.shape.groups * each + i % each;
      const float* sums = partial + (sample * g.slices + i / each) * 2 * g.channels + c;
      first += static_cast<double>(p.weight(c)) * sums[0];
      second += static_cast<double>(p.weight(c)) * sums[g.channels];
    }
  } else {
    for (int64_t i = lane; i < g.samples * g.slices; i += kWarp) {
      const float* sums = partial + i * 2 * g.channels + channel;
      first += static_cast<double>(p.rstd(p.group(i / g.slices, channel))) * sums[g.channels];
      second += sums[0];
    }
  }
  first = warp_reduce(first, Sum{});
  second = warp_reduce(second, Sum{});
  if (lane != 0) return;
  if (item < groups) {
    shared[item] = make_float2(static_cast<float>(first), static_cast<float>(second));
  } else {
    dgamma[channel] = static_cast<float>(first);
    dbeta[channel] = static_cast<float>(second);
  }
}

// Four blocks a multiprocessor: where it is left open, ptxas makes room for more on sm_100 and spills for it.
template <int kPack, NormMask kMask>
__global__ void __launch_bounds__(kColumnThreads, 4)
    spread_kernel(ColumnGrid g, NormParameters p, const float2* shared, const float* x, const float* dy, const float* y,
                  float* dx) {
  const ColumnPlace<kPack> place(g);
  if (!place.inside) return;
  const NormColumns<kPack> columns(p, place.sample, place.column);
  NormBackward backward[kPack];
#pragma unroll
  for (int k = 0; k < kPack; k++) {
    const int64_t group = p.group(place.sample, place.column + k);
    backward[k] = NormBackward(p.weight(place.column + k), p.rstd(group), shared[group].x, shared[group].y,
                               static_cast<float>(p.shape.count()));
  }
#pragma unroll 2
  for (int64_t r = place.begin + place.row; r < place.end; r += g.height) {
    const int64_t at = pack_at<kPack>(r, g.channels, place.column);
    const Pack<float, kPack> v = load_pack<kPack>(x + at);
    Pack<float, kPack> d = load_pack<kPack>(dy + at), mask{};
    if constexpr (kMask == NormMask::kFromY) mask = load_pack<kPack>(y + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const float given = norm_masked<kMask>(d.v[k], v.v[k], mask.v[k], columns.channel[k]);
      d.v[k] = backward[k](v.v[k] - columns.channel[k].mean, given);
    }
    store_pack(dx + at, d);
  }
}

template <int kPack>
auto spread_kernel_of(NormMask mask) {
  return mask == NormMask::kNone    ? spread_kernel<kPack, NormMask::kNone>
         : mask == NormMask::kFromX ? spread_kernel<kPack, NormMask::kFromX>
                                    : spread_kernel<kPack, NormMask::kFromY>;
}

}  // namespace

Step channel_norm_grad(Prepare& prepare, const ChannelNormGradArgs& args) {
  const NormShape shape = NormShape::of(args);
  const float *x = prepare.at(args.x), *dy = prepare.at(args.dy), *y = prepare.at(args.y);
  float *dx = prepare.at(args.dx), *dresidual = prepare.at(args.dresidual);
  float *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
  const NormParameters parameters{
      shape,       prepare.at(args.mean), prepare.at(args.variance), prepare.at(args.gamma), prepare.at(args.beta),
      args.epsilon};
  const auto plan = [&](int rows_each) {
    return plan_columns(shape.samples, shape.rows, shape.channels, prepare.multiprocessors(), rows_each);
  };
  const ColumnGrid summing = plan(kRowsSummed), writing = plan(kRowsWritten);
  const int64_t groups = dx ? shape.samples * shape.groups : 0;
  const size_t shared_offset = (summing.sums() * sizeof(float) + 15) / 16 * 16;
  const Workspace workspace = prepare.workspace(shared_offset + groups * sizeof(float2));
  const NormMask mask = norm_mask(args);
  const NormMask left = dresidual ? NormMask::kNone : mask;  // to be applied by the last launch
  const float* upstream = dresidual ? dresidual : dy;
  const Given given{parameters, x, dy, y, dresidual};
  const auto spread = summing.pack == 4 ? spread_kernel_of<4>(left) : spread_kernel_of<1>(left);
  const dim3 warps = blocks_for(groups + shape.channels, kColumnThreads / kWarp);
  return [=](cudaStream_t stream) {
    float* partial = static_cast<float*>(workspace.data());
    float2* shared = reinterpret_cast<float2*>(static_cast<char*>(workspace.data()) + shared_offset);
    const auto sum = [&](const auto& products) { launch_column_sums(stream, summing, products, partial); };
    if (mask == NormMask::kNone) sum(Products<NormMask::kNone>{given});
    if (mask == NormMask::kFromX) sum(Products<NormMask::kFromX>{given});
    if (mask == NormMask::kFromY) sum(Products<NormMask::kFromY>{given});
    launch_cooperating(stream, finish_kernel, warps, dim3(kColumnThreads), 0, summing, parameters, partial, shared,
                       groups, dgamma, dbeta);
    if (dx)
      launch(stream, spread, writing.grid(), dim3(kColumnThreads), writing, parameters, shared, x, upstream, y, dx);
  };
}

}  // namespace gradstep::cuda
