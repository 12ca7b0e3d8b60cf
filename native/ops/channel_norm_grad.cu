// channel_norm_grad on CUDA, three launches: sums of dy and dy (x - mean) of each channel's slices, writing dresidual
// where that is wanted; from these, a warp an item, what the channels of a group share, and dgamma and dbeta; then dx,
// from dresidual where that has been made, as its mask is applied already.
#include "cuda/prepare.h"
#include "generated/args/channel_norm.h"
#include "ops/channel_norm.cuh"

namespace gradstep::cuda {
namespace {

// dy, masked.
__device__ inline float masked(NormMask mask, float dy, float x, float y, const NormForward& forward) {
  if (mask == NormMask::kFromX) return norm_masked<NormMask::kFromX>(dy, x, y, forward);
  if (mask == NormMask::kFromY) return norm_masked<NormMask::kFromY>(dy, x, y, forward);
  if (mask == NormMask::kFromKept) return norm_masked<NormMask::kFromKept>(dy, x, y, forward);
  return dy;
}

__device__ inline bool reads_y(NormMask mask) { return mask == NormMask::kFromY || mask == NormMask::kFromKept; }

// Sums, and dresidual on the way where that is wanted. Mask: a constant, or NormMask.
template <typename At, typename Mask>
struct Products {
  NormParameters parameters;
  At x, dy, y;   // y or null
  At dresidual;  // or null
  Mask mask;

  template <int kPack>
  __device__ NormColumns<kPack> column(int64_t sample, int64_t, int64_t column) const {
    return NormColumns<kPack>(parameters, sample, column);
  }
  template <int kPack>
  __device__ void add(const NormColumns<kPack>& columns, int64_t row, int64_t column, Pack<float, kPack>& s1,
                      Pack<float, kPack>& s2) const {
    const int64_t at = pack_at<kPack>(row, parameters.shape.channels, column);
    const Pack<float, kPack> v = load_wide<kPack>(x + at);
    Pack<float, kPack> d = load_wide<kPack>(dy + at), from{};
    if (reads_y(mask)) from = load_wide<kPack>(y + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      d.v[k] = masked(mask, d.v[k], v.v[k], from.v[k], columns.channel[k]);
      s1.v[k] += d.v[k];
      s2.v[k] += d.v[k] * (v.v[k] - columns.channel[k].mean);
    }
    if (reads_y(mask)) {
      if (dresidual) store_narrow(dresidual + at, d);
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

// Four blocks a multiprocessor: where it is left open, ptxas makes room for more on sm_100 and spills for it. Eight
// columns have twice the coefficients.
template <int kPack, typename At, typename Mask>
__global__ void __launch_bounds__(kColumnThreads, kPack == 8 ? 2 : 4)
    spread_kernel(ColumnGrid g, NormParameters p, const float2* shared, At x, At dy, At y, At dx, Mask mask) {
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
    const Pack<float, kPack> v = load_wide<kPack>(x + at);
    Pack<float, kPack> d = load_wide<kPack>(dy + at), from{};
    if (reads_y(mask)) from = load_wide<kPack>(y + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const float given = masked(mask, d.v[k], v.v[k], from.v[k], columns.channel[k]);
      d.v[k] = backward[k](v.v[k] - columns.channel[k].mean, given);
    }
    store_narrow(dx + at, d);
  }
}

// body(mask), as a constant where there are kernels for each.
template <typename At, typename Body>
void by_mask(NormMask mask, Body body) {
  if constexpr (kIsCommon<At>) {
    if (mask == NormMask::kNone) body(std::integral_constant<NormMask, NormMask::kNone>{});
    if (mask == NormMask::kFromX) body(std::integral_constant<NormMask, NormMask::kFromX>{});
    if (mask == NormMask::kFromY) body(std::integral_constant<NormMask, NormMask::kFromY>{});
  } else {
    body(mask);
  }
}

template <int kPack, typename At>
Step make_channel_norm_grad(Prepare& prepare, const ChannelNormGradArgs& args, Access<kPack, At>) {
  const NormShape shape = NormShape::of(args);
  const At x = address_of<At>(prepare, args.x), dy = address_of<At>(prepare, args.dy);
  const At y = address_of<At>(prepare, args.y), dx = address_of<At>(prepare, args.dx);
  const At dresidual = address_of<At>(prepare, args.dresidual);
  float *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
  const NormParameters parameters{
      shape,       prepare.at(args.mean), prepare.at(args.variance), prepare.at(args.gamma), prepare.at(args.beta),
      args.epsilon};
  const auto plan = [&](int rows_each) {
    return plan_columns(shape.samples, shape.rows, shape.channels, prepare.multiprocessors(), rows_each,
                        std::max(kPack, 4));
  };
  const ColumnGrid summing = plan(kRowsSummed), writing = plan(kRowsWritten);
  const bool with_dx = args.dx.present();
  const int64_t groups = with_dx ? shape.samples * shape.groups : 0;
  const size_t shared_offset = (summing.sums() * sizeof(float) + 15) / 16 * 16;
  const Workspace workspace = prepare.workspace(shared_offset + groups * sizeof(float2));
  const NormMask mask = norm_mask(args);
  // For the last launch dresidual is dy masked, unless that was rounded: then it tells the mask, as y may be
  // overwritten.
  const bool kept = args.dresidual.present();
  const bool rounded = kept && args.dresidual.dtype != args.dy.dtype && args.dresidual.dtype == DType::kBfloat16;
  const NormMask left = rounded ? NormMask::kFromKept : kept ? NormMask::kNone : mask;
  const At upstream = kept && !rounded ? dresidual : dy, masking = rounded ? dresidual : y;
  const dim3 warps = blocks_for(groups + shape.channels, kColumnThreads / kWarp);
  return [=](cudaStream_t stream) {
    float* partial = static_cast<float*>(workspace.data());
    float2* shared = reinterpret_cast<float2*>(static_cast<char*>(workspace.data()) + shared_offset);
    by_mask<At>(mask, [&](auto known) {
      const Products<At, decltype(known)> products{parameters, x, dy, y, dresidual, known};
      launch_column_sums<kPack>(stream, summing, products, partial);
    });
    launch_cooperating(stream, finish_kernel, warps, dim3(kColumnThreads), 0, summing, parameters, partial, shared,
                       groups, dgamma, dbeta);
    if (!with_dx) return;
    by_mask<At>(left, [&](auto known) {
      launch(stream, spread_kernel<kPack, At, decltype(known)>, writing.grid(), dim3(kColumnThreads), writing,
             parameters, shared, x, upstream, masking, dx, known);
    });
  };
}

}  // namespace

Step channel_norm_grad(Prepare& prepare, const ChannelNormGradArgs& args) {
  return by_access(NormShape::of(args).channels, {&args.x, &args.dy, &args.y, &args.dx, &args.dresidual},
                   [&](auto access) { return make_channel_norm_grad(prepare, args, access); });
}

}  // namespace gradstep::cuda
