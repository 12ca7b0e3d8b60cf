// channel_norm on CUDA, three launches: sums of deviations from each slice's first row, so that nothing cancels where
// the mean is large; from these, a warp a group, mean and variance in float64; then y
// (with the residual added, and relu applied).
#include "cuda/prepare.h"
#include "generated/args/channel_norm.h"
#include "ops/channel_norm.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

template <typename At>
struct Deviations {
  At x;
  int64_t channels;

  template <int kPack>
  __device__ Pack<float, kPack> column(int64_t, int64_t first_row, int64_t column) const {
    return load_wide<kPack>(x + first_row * channels + column);
  }
  template <int kPack>
  __device__ void add(const Pack<float, kPack>& pivot, int64_t row, int64_t column, Pack<float, kPack>& s1,
                      Pack<float, kPack>& s2) const {
    const Pack<float, kPack> v = load_wide<kPack>(x + row * channels + column);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const float d = v.v[k] - pivot.v[k];
      s1.v[k] += d;
      s2.v[k] += d * d;
    }
  }
};

// The moments of one channel in one slice.
struct SliceMoments {
  double rows, mean, m2;

  template <typename At>
  __device__ SliceMoments(const ColumnGrid& g, At x, const float* partial, int64_t sample, int64_t slice,
                          int64_t channel) {
    const float* sums = partial + (sample * g.slices + slice) * 2 * g.channels + channel;
    const double s1 = sums[0], s2 = sums[g.channels];
    rows = static_cast<double>(g.rows_of(slice));
    const double deviation = s1 / rows;
    const int64_t first_row = sample * g.rows + slice * g.slice_rows;
    mean = load_wide<1>(x + first_row * g.channels + channel).v[0] + deviation;
    m2 = s2 - deviation * s1;
  }
};

template <typename At>
__global__ void __launch_bounds__(kColumnThreads)
    statistics_kernel(ColumnGrid g, NormShape shape, At x, const float* partial, float* mean, float* variance) {
  const int64_t item = warp_item();
  if (item >= shape.samples * shape.groups) return;
  const int64_t sample = item / shape.groups, each = shape.per_group();
  const int64_t first = item % shape.groups * each;
  const int32_t lane = threadIdx.x % kWarp;
  const double count = static_cast<double>(shape.count());
  double total = 0;
  for (int64_t i = lane; i < g.slices * each; i += kWarp) {
    const SliceMoments m(g, x, partial, sample, i / each, first + i % each);
    total += m.rows * m.mean;
  }
  const double own = warp_reduce(total, Sum{}) / count;
  double m2 = 0;
  for (int64_t i = lane; i < g.slices * each; i += kWarp) {
    const SliceMoments m(g, x, partial, sample, i / each, first + i % each);
    m2 += m.m2 + m.rows * (m.mean - own) * (m.mean - own);
  }
  m2 = warp_reduce(m2, Sum{}) / count;
  if (lane != 0) return;
  mean[item] = static_cast<float>(own);
  variance[item] = static_cast<float>(m2 < 0 ? 0 : m2);
}

// Relu and Residual: constants, or bool.
template <int kPack, typename At, typename Relu, typename Residual>
__global__ void __launch_bounds__(kColumnThreads)
    normalise_kernel(ColumnGrid g, NormParameters parameters, At x, At residual, At y, Relu relu,
                     Residual has_residual) {
  const ColumnPlace<kPack> place(g);
  if (!place.inside) return;
  const NormColumns<kPack> columns(parameters, place.sample, place.column);
#pragma unroll 4
  for (int64_t r = place.begin + place.row; r < place.end; r += g.height) {
    const int64_t at = pack_at<kPack>(r, g.channels, place.column);
    Pack<float, kPack> v = load_wide<kPack>(x + at), added{};
    if (has_residual) added = load_wide<kPack>(residual + at);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      v.v[k] = columns.channel[k](v.v[k]);
      if (has_residual) v.v[k] += added.v[k];
      if (relu) v.v[k] = scalar::relu(v.v[k]);
    }
    store_narrow(y + at, v);
  }
}

template <int kPack, typename At>
Step make_channel_norm(Prepare& prepare, const ChannelNormArgs& args, Access<kPack, At>) {
  const NormShape shape = NormShape::of(args);
  const At x = address_of<At>(prepare, args.x), residual = address_of<At>(prepare, args.residual);
  const At y = address_of<At>(prepare, args.y);
  float *mean = prepare.at(args.mean), *variance = prepare.at(args.variance);
  const NormParameters parameters{shape, mean, variance, prepare.at(args.gamma), prepare.at(args.beta), args.epsilon};
  const auto plan = [&](int rows_each) {
    return plan_columns(shape.samples, shape.rows, shape.channels, prepare.multiprocessors(), rows_each,
                        std::max(kPack, 4));
  };
  const ColumnGrid summing = plan(kRowsSummed), writing = plan(kRowsWritten);
  const Workspace workspace = prepare.workspace(summing.sums() * sizeof(float));
  const bool relu = args.activation == ChannelNormArgs::kActivationRelu, has_residual = args.residual.present();
  const dim3 warps = blocks_for(shape.samples * shape.groups, kColumnThreads / kWarp);
  const auto step = [&](auto known_relu, auto known_residual) -> Step {
    return [=](cudaStream_t stream) {
      float* partial = static_cast<float*>(workspace.data());
      launch_column_sums<kPack>(stream, summing, Deviations<At>{x, shape.channels}, partial);
      launch_cooperating(stream, statistics_kernel<At>, warps, dim3(kColumnThreads), 0, summing, shape, x, partial,
                         mean, variance);
      launch(stream, normalise_kernel<kPack, At, decltype(known_relu), decltype(known_residual)>, writing.grid(),
             dim3(kColumnThreads), writing, parameters, x, residual, y, known_relu, known_residual);
    };
  };
  if constexpr (kIsCommon<At>) {
    if (has_residual)
      return relu ? step(std::true_type{}, std::true_type{}) : step(std::false_type{}, std::true_type{});
    return relu ? step(std::true_type{}, std::false_type{}) : step(std::false_type{}, std::false_type{});
  } else {
    return step(relu, has_residual);
  }
}

}  // namespace

Step channel_norm(Prepare& prepare, const ChannelNormArgs& args) {
  return by_access(NormShape::of(args).channels, {&args.x, &args.residual, &args.y},
                   [&](auto access) { return make_channel_norm(prepare, args, access); });
}

}  // namespace gradstep::cuda
