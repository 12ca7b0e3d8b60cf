// attention on CUDA (attention.cuh): in float32 on FMA units, or with rounded operands on tensor cores where the device
// has them for it. The kernels of those are in attention_bfloat16.cu and attention_tf32.cu; what is stored in bfloat16
// and multiplied without tensor cores has those in attention_stored.cu.
#include "generated/args/attention.h"
#include "ops/attention_dx.cuh"
#include "ops/attention_forward.cuh"

namespace gradstep::cuda {
namespace {

using namespace attend;

// A warp a query and head.
template <int kWidth>
__global__ void __launch_bounds__(kTileThreads) delta_kernel(Heads h, Stored y, Stored dy, float* delta, int64_t rows) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * (kTileThreads / kWarp) + threadIdx.x / kWarp;
  if (at >= rows) return;
  float sum = 0.f;
  for (int32_t c = threadIdx.x % kWarp * kWidth; c < h.width; c += kWarp * kWidth) {
    const Pack<float, kWidth> value = load_wide<kWidth>(y + (at * h.width + c));
    const Pack<float, kWidth> slope = load_wide<kWidth>(dy + (at * h.width + c));
#pragma unroll
    for (int k = 0; k < kWidth; k++) sum += value.v[k] * slope.v[k];
  }
  sum = warp_reduce(sum, Sum{});
  const int64_t head = at % h.heads, query = at / h.heads % h.queries, batch = at / h.heads / h.queries;
  if (threadIdx.x % kWarp == 0) delta[(batch * h.heads + head) * h.queries + query] = sum;
}

template <typename Args>
Heads heads_of(Prepare& prepare, const Args& args) {
  Heads h{};
  h.q = stored(prepare, args.q);
  h.k = stored(prepare, args.k);
  h.v = stored(prepare, args.v);
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
  h.wide_keys = h.keys % 4 == 0;
  h.precision = precision_of(args);
  return h;
}

// Calls run(unit) with what multiplies in this precision on this device; narrow: something is stored in bfloat16, as it
// may be in that precision.
template <typename Run>
auto with_unit(Prepare& prepare, Precision precision, bool narrow, Run run) {
  if (prepare.tensor_cores() && precision == Precision::kBfloat16) return run(Bfloat16Unit{});
  if (narrow) return run(StoredUnit{});
  if (prepare.tensor_cores() && precision == Precision::kTf32) return run(Tf32Unit{});
  return run(Float32Unit{});
}

}  // namespace

Step attention(Prepare& prepare, const AttentionArgs& args) {
  const Heads h = heads_of(prepare, args);
  const int64_t pairs = static_cast<int64_t>(args.q.dims[0]) * h.heads;
  const Stored y = stored(prepare, args.y);
  float* lse = prepare.at(args.lse);
  const bool narrow = h.q.narrow || h.k.narrow || h.v.narrow || y.narrow;
  return with_unit(prepare, h.precision, narrow,
                   [&](auto unit) { return run_attention<decltype(unit)>(h, pairs, y, lse); });
}

Step attention_dx(Prepare& prepare, const AttentionDxArgs& args) {
  const Heads h = heads_of(prepare, args);
  const int64_t pairs = static_cast<int64_t>(args.q.dims[0]) * h.heads, rows = pairs * h.queries;
  const Stored y = stored(prepare, args.y);
  const Slopes g{prepare.at(args.lse),     nullptr,
                 stored(prepare, args.dy), stored(prepare, args.dq),
                 stored(prepare, args.dk), stored(prepare, args.dv)};
  const bool narrow =
      h.q.narrow || h.k.narrow || h.v.narrow || g.dy.narrow || g.dq.narrow || g.dk.narrow || g.dv.narrow;
  const Workspace workspace = prepare.workspace(rows * sizeof(float));
  const GradientRun gradient =
      with_unit(prepare, h.precision, narrow, [&](auto unit) { return run_attention_dx<decltype(unit)>(h, pairs, g); });
  const auto make_delta = h.wide ? delta_kernel<4> : delta_kernel<1>;
  return [=](cudaStream_t stream) {
    float* delta = static_cast<float*>(workspace.data());
    launch_cooperating(stream, make_delta, blocks_for(rows, kTileThreads / kWarp), dim3(kTileThreads), 0, h, y, g.dy,
                       delta, rows);
    gradient(stream, delta);
  };
}

}  // namespace gradstep::cuda
