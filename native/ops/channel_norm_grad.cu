// channel_norm_grad on CUDA, three launches: sums of dy and dy (x - mean) of each channel's slices; from these, a warp
// an item, what the channels of a group share, and dgamma and dbeta; then dx.
#include "cuda/prepare.h"
#include "generated/args/channel_norm.h"
#include "ops/channel_norm.cuh"

namespace gradstep::cuda {
namespace {

template <bool kRelu>
__device__ inline float masked(float dy, float x, const NormForward& forward) {
  if constexpr (!kRelu) return dy;
  return forward(x) > 0.f ? dy : 0.f;
}

template <bool kRelu>
struct Products {
  NormParameters parameters;
  const float *x, *dy;

  template <int kPack>
  __device__ NormColumns<kPack> column(int64_t sample, int64_t, int64_t column) const {
    return NormColumns<kPack>(parameters, sample, column);
  }
  template <int kPack>
  __device__ void add(const NormColumns<kPack>& columns, int64_t row, int64_t column, Pack<float, kPack>& s1,
                      Pack<float, kPack>& s2) const {
    const int64_t at = row * parameters.shape.channels + column;
    const Pack<float, kPack> v = load_pack<kPack>(x + at), d = load_pack<kPack>(dy + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const float g = masked<kRelu>(d.v[k], v.v[k], columns.channel[k]);
      s1.v[k] += g;
      s2.v[k] += g * (v.v[k] - columns.channel[k].mean);
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

template <int kPack, bool kRelu>
__global__ void __launch_bounds__(kColumnThreads)
    spread_kernel(ColumnGrid g, NormParameters p, const float2* shared, const float* x, const float* dy, float* dx) {
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
    const int64_t at = r * g.channels + place.column;
    const Pack<float, kPack> v = load_pack<kPack>(x + at);
    Pack<float, kPack> d = load_pack<kPack>(dy + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const float given = masked<kRelu>(d.v[k], v.v[k], columns.channel[k]);
      d.v[k] = backward[k](v.v[k] - columns.channel[k].mean, given);
    }
    store_pack(dx + at, d);
  }
}

}  // namespace

Step channel_norm_grad(Prepare& prepare, const ChannelNormGradArgs& args) {
  const NormShape shape = NormShape::of(args);
  const float *x = prepare.at(args.x), *dy = prepare.at(args.dy);
  float *dx = prepare.at(args.dx), *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
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
  const bool relu = args.activation == ChannelNormGradArgs::kActivationRelu;
  const auto spread = summing.pack == 4 ? (relu ? spread_kernel<4, true> : spread_kernel<4, false>)
                                        : (relu ? spread_kernel<1, true> : spread_kernel<1, false>);
  const dim3 warps = blocks_for(groups + shape.channels, kColumnThreads / kWarp);
  return [=](cudaStream_t stream) {
    float* partial = static_cast<float*>(workspace.data());
    float2* shared = reinterpret_cast<float2*>(static_cast<char*>(workspace.data()) + shared_offset);
    if (relu) {
      launch_column_sums(stream, summing, Products<true>{parameters, x, dy}, partial);
    } else {
      launch_column_sums(stream, summing, Products<false>{parameters, x, dy}, partial);
    }
    launch_cooperating(stream, finish_kernel, warps, dim3(kColumnThreads), 0, summing, parameters, partial, shared,
                       groups, dgamma, dbeta);
    if (dx) launch(stream, spread, writing.grid(), dim3(kColumnThreads), writing, parameters, shared, x, dy, dx);
  };
}

}  // namespace gradstep::cuda
