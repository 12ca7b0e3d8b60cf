// reduceMax on CUDA, by the passes of reduce_pass.cuh: each thread keeps the leaders of its share and the block
// compares them; of slices, a second launch compares the leaders.
#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/reduce_max.h"
#include "ops/reduce_max.h"
#include "ops/reduce_pass.cuh"

namespace gradstep::cuda {
namespace {

// `places`: where each element of x stood; null: at its own place along length.
struct MaxData {
  const float* x;
  const int32_t* places;
  float* y;
  int32_t* at;
};

// Puts `other` in the place of `best` where it leads or, among equals, stood before.
template <bool kMin>
__device__ inline void compare(float& best, int32_t& place, float other, int32_t there) {
  if (there < 0) return;
  const bool swap = place < 0 || (there < place ? !leads<kMin>(best, other) : leads<kMin>(other, best));
  if (!swap) return;
  best = other;
  place = there;
}

template <bool kMin, int kWidth, bool kAlongLength>
__global__ void __launch_bounds__(kThreads) max_kernel(ReducePass s, MaxData d) {
  __shared__ Pack<float, kWidth> values[kThreads];
  __shared__ Pack<int32_t, kWidth> places[kThreads];
  const int32_t thread = threadIdx.x;
  const auto [i, o, slice, row, inside] = ReducePlace(s);

  // −1: this thread had no element, and loses to every other.
  Pack<float, kWidth> best{};
  Pack<int32_t, kWidth> place;
#pragma unroll
  for (int e = 0; e < kWidth; e++) place.v[e] = -1;
  if (inside) {
    const int64_t end = min((slice + 1) * s.slice_length, s.length);
    const float* x = d.x + (o * s.length * s.inner + i) * kWidth;
    for (int64_t l = slice * s.slice_length + row; l < end; l += kReduceUnroll * s.height) {
      Pack<float, kWidth> v[kReduceUnroll];
#pragma unroll
      for (int k = 0; k < kReduceUnroll; k++) {
        v[k] = load_pack<kWidth>(x + min(l + k * s.height, end - 1) * s.inner * kWidth);
      }
#pragma unroll
      for (int k = 0; k < kReduceUnroll; k++) {
        const int64_t at = l + k * s.height;
        if (at >= end) break;
#pragma unroll
        for (int e = 0; e < kWidth; e++) {
          if (place.v[e] >= 0 && !leads<kMin>(v[k].v[e], best.v[e])) continue;
          best.v[e] = v[k].v[e];
          place.v[e] = static_cast<int32_t>(kAlongLength ? at * kWidth + e : at);
        }
      }
    }
    if (d.places) {
#pragma unroll
      for (int e = 0; e < kWidth; e++) {
        if (place.v[e] < 0) continue;
        place.v[e] = kAlongLength ? d.places[o * s.length * kWidth + place.v[e]]
                                  : d.places[((o * s.length + place.v[e]) * s.inner + i) * kWidth + e];
      }
    }
  }
  values[thread] = best;
  places[thread] = place;
  for (int32_t half = s.height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row >= half) continue;
    const Pack<float, kWidth> other = values[thread + half * s.width];
    const Pack<int32_t, kWidth> there = places[thread + half * s.width];
#pragma unroll
    for (int e = 0; e < kWidth; e++) compare<kMin>(best.v[e], place.v[e], other.v[e], there.v[e]);
    values[thread] = best;
    places[thread] = place;
  }
  if (!inside || row != 0) return;
  if constexpr (kAlongLength) {
#pragma unroll
    for (int e = 1; e < kWidth; e++) compare<kMin>(best.v[0], place.v[0], best.v[e], place.v[e]);
    d.y[o * s.slices + slice] = best.v[0];
    d.at[o * s.slices + slice] = place.v[0];
  } else {
    const int64_t to = ((o * s.slices + slice) * s.inner + i) * kWidth;
    store_pack(d.y + to, best);
    store_pack(d.at + to, place);
  }
}

template <bool kMin>
void launch_max(cudaStream_t stream, const ReducePass& pass, const MaxData& data) {
  const auto kernel = pass.along_length ? max_kernel<kMin, 4, true>
                                        : (pass.wide ? max_kernel<kMin, 4, false> : max_kernel<kMin, 1, false>);
  launch_cooperating(stream, kernel, blocks_for(pass.blocks(), 1), dim3(kThreads), 0, pass, data);
}

template <bool kMin>
Step max_step(Prepare& prepare, const ReducePass& first, int64_t inner, const MaxData& data) {
  if (first.slices == 1) return [=](cudaStream_t stream) { launch_max<kMin>(stream, first, data); };
  const int64_t partial = first.outer * first.slices * inner;
  const Workspace workspace = prepare.workspace(static_cast<size_t>(partial) * (sizeof(float) + sizeof(int32_t)));
  const ReducePass second = plan_reduction(first.outer, first.slices, inner, 0);
  return [=](cudaStream_t stream) {
    float* y = static_cast<float*>(workspace.data());
    int32_t* at = reinterpret_cast<int32_t*>(y + partial);
    launch_max<kMin>(stream, first, {data.x, nullptr, y, at});
    launch_max<kMin>(stream, second, {y, at, data.y, data.at});
  };
}

struct Spread {
  const float* dy;  // [outer, inner]
  const int32_t* at;
  float* dx;  // [outer, length, inner]
  uint32_t packs;
  int32_t inner;
  Divider by_inner, by_length;  // in packs, along the axis that is written in packs
};

// Four neighbours along inner, or along length where inner is 1.
template <int kWidth, bool kAlongLength, bool kAdd>
__global__ void __launch_bounds__(kThreads) spread_kernel(Spread s) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= s.packs) return;
  uint32_t i, l;
  const uint32_t o = s.by_length.divide(s.by_inner.divide(pack, i), l);
  constexpr int kInner = kAlongLength ? 1 : kWidth;
  const int64_t from = static_cast<int64_t>(o) * s.inner + i * kInner;
  const Pack<float, kInner> dy = load_pack<kInner>(s.dy + from);
  const Pack<int32_t, kInner> at = load_pack<kInner>(s.at + from);
  float* to = s.dx + static_cast<int64_t>(pack) * kWidth;
  Pack<float, kWidth> dx{};
  if constexpr (kAdd) dx = load_pack<kWidth>(to);
#pragma unroll
  for (int k = 0; k < kWidth; k++) {
    const int32_t place = static_cast<int32_t>(l) * (kAlongLength ? kWidth : 1) + (kAlongLength ? k : 0);
    if (at.v[kAlongLength ? 0 : k] == place) dx.v[k] += dy.v[kAlongLength ? 0 : k];
  }
  store_pack(to, dx);
}

using SpreadKernel = void (*)(Spread);

template <bool kAdd>
SpreadKernel spread_kernel_for(bool along_inner, bool along_length) {
  if (along_inner) return spread_kernel<4, false, kAdd>;
  return along_length ? spread_kernel<4, true, kAdd> : spread_kernel<1, false, kAdd>;
}

}  // namespace

Step reduce_max(Prepare& prepare, const ReduceMaxArgs& args) {
  const ReducePass pass = plan_reduction(args.x.dims[0], args.x.dims[1], args.x.dims[2], prepare.multiprocessors());
  const MaxData data{prepare.at(args.x), nullptr, prepare.at(args.y), prepare.at<int32_t>(args.at)};
  const int64_t inner = args.x.dims[2];
  return args.mode == ReduceMaxArgs::kModeMin ? max_step<true>(prepare, pass, inner, data)
                                              : max_step<false>(prepare, pass, inner, data);
}

Step reduce_max_dx(Prepare& prepare, const ReduceMaxDxArgs& args) {
  const uint32_t length = static_cast<uint32_t>(args.dx.dims[1]), inner = static_cast<uint32_t>(args.dx.dims[2]);
  const bool along_inner = inner % 4 == 0, along_length = inner == 1 && length % 4 == 0;
  const uint32_t width = along_inner || along_length ? 4 : 1;
  const Spread s{prepare.at(args.dy),
                 prepare.at<int32_t>(args.at),
                 prepare.at(args.dx),
                 static_cast<uint32_t>(args.dx.size()) / width,
                 args.dx.dims[2],
                 Divider(along_inner ? inner / 4 : inner),
                 Divider(along_length ? length / 4 : length)};
  const SpreadKernel kernel = args.accumulate_dx ? spread_kernel_for<true>(along_inner, along_length)
                                                 : spread_kernel_for<false>(along_inner, along_length);
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(s.packs, kThreads), dim3(kThreads), s); };
}

}  // namespace gradstep::cuda
