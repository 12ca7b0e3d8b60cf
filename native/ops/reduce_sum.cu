// reduce_sum on CUDA. A block of 256 threads is cut into width x height x depth: width neighbours along `inner`, height
// along `length`, depth along `outer`, each a power of two; so rows, columns and everything between use one kernel and
// read side by side. Threads read four neighbours at a time where inner divides by four, or where inner is 1 and length
// divides by four: then the four are added up in the end. Where that gives too few blocks, `length` is cut into slices
// whose sums are added by a second launch, in float32 as long as they are no results. The order of additions depends on
// the shape and the device only.
#include <algorithm>

#include "cuda/bfloat16.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/reduce_sum.h"
#include "ops/reduce_sum.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kUnroll = 4;
constexpr int kRounds = 4;  // of a thread's loads, that one pass may take however few blocks it has

struct SumPass {
  bool wide, along_length;       // whether packs of four are read, and along which axis
  int64_t outer, length, inner;  // in packs, along the axis that is read in packs
  int64_t slices, slice_length;  // y is [outer, slices, inner]
  int64_t tiles;                 // blocks along inner
  int32_t width, height;
  float scale;
  bool accumulate;
  bool from_narrow, to_narrow;  // x and y are stored in bfloat16

  int32_t depth() const { return kThreads / (width * height); }
  int64_t blocks() const { return tiles * slices * ((outer + depth() - 1) / depth()); }
};

template <int kWidth>
__device__ inline void add_to(Pack<float, kWidth>& sum, const Pack<float, kWidth>& x) {
#pragma unroll
  for (int k = 0; k < kWidth; k++) sum.v[k] += x.v[k];
}

template <typename T, int kWidth, bool kAlongLength>
__global__ void __launch_bounds__(kThreads) sum_kernel(SumPass s, const T* x, void* y) {
  __shared__ Pack<float, kWidth> partial[kThreads];
  const int32_t thread = threadIdx.x;
  const int32_t plane = s.width * s.height;
  const int32_t row = thread % plane / s.width;
  const int64_t block = blockIdx.x;
  const int64_t slice = block / s.tiles % s.slices;
  const int64_t i = block % s.tiles * s.width + thread % s.width;
  const int64_t o = block / (s.tiles * s.slices) * (kThreads / plane) + thread / plane;
  const bool inside = i < s.inner && o < s.outer;

  Pack<float, kWidth> sums[kUnroll] = {};
  if (inside) {
    const int64_t end = min((slice + 1) * s.slice_length, s.length);
    int64_t l = slice * s.slice_length + row;
    const T* at = x + ((o * s.length + l) * s.inner + i) * kWidth;
    const int64_t step = s.height * s.inner * kWidth;
    for (; l + (kUnroll - 1) * s.height < end; l += kUnroll * s.height, at += kUnroll * step) {
#pragma unroll
      for (int k = 0; k < kUnroll; k++) add_to(sums[k], load_wide<kWidth>(at + k * step));
    }
    for (; l < end; l += s.height, at += step) add_to(sums[0], load_wide<kWidth>(at));
  }
  add_to(sums[0], sums[1]);
  add_to(sums[2], sums[3]);
  add_to(sums[0], sums[2]);
  partial[thread] = sums[0];
  for (int32_t half = s.height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) add_to(partial[thread], partial[thread + half * s.width]);
  }
  if (!inside || row != 0) return;
  constexpr int kResults = kAlongLength ? 1 : kWidth;
  Pack<float, kResults> sum;
  if constexpr (kAlongLength) {
    const Pack<float, kWidth> four = partial[thread];
    sum.v[0] = (four.v[0] + four.v[1]) + (four.v[2] + four.v[3]);
  } else {
    sum = partial[thread];
  }
  const int64_t result = ((o * s.slices + slice) * s.inner + i) * kResults;
#pragma unroll
  for (int k = 0; k < kResults; k++) sum.v[k] *= s.scale;
  if (s.to_narrow) {
    store_narrow(static_cast<Bfloat16*>(y) + result, sum);
    return;
  }
  float* to = static_cast<float*>(y) + result;
  if (s.accumulate) add_to(sum, load_pack<kResults>(to));
  store_pack(to, sum);
}

int32_t power_of_two(int64_t wanted, int32_t most) {
  int32_t p = 1;
  while (p < most && p < wanted) p *= 2;
  return p;
}

SumPass plan_pass(const SumShape& shape, int multiprocessors) {
  SumPass pass{};
  pass.along_length = shape.inner == 1 && shape.length % 4 == 0;
  pass.wide = pass.along_length || shape.inner % 4 == 0;
  pass.outer = shape.outer;
  pass.length = pass.along_length ? shape.length / 4 : shape.length;
  pass.inner = pass.wide && !pass.along_length ? shape.inner / 4 : shape.inner;
  pass.width = power_of_two(pass.inner, kWarp);
  pass.height = power_of_two((pass.length + kUnroll - 1) / kUnroll, kThreads / pass.width);
  pass.tiles = (pass.inner + pass.width - 1) / pass.width;
  pass.slices = 1;
  pass.slice_length = pass.length;
  pass.scale = shape.scale;
  pass.accumulate = shape.accumulate;
  pass.from_narrow = shape.x == DType::kBfloat16;
  pass.to_narrow = shape.y == DType::kBfloat16;
  // A second launch takes as long as some rounds of loads.
  if (pass.length <= kRounds * kUnroll * pass.height) return pass;
  const int64_t wanted = (2 * multiprocessors + pass.blocks() - 1) / pass.blocks();
  const int64_t shortest = static_cast<int64_t>(pass.height) * kUnroll * (pass.wide ? 1 : 4);
  const int64_t slices = std::min(wanted, pass.length / shortest);
  if (slices > 1) {
    pass.slice_length = (pass.length + slices - 1) / slices;
    pass.slices = (pass.length + pass.slice_length - 1) / pass.slice_length;
    pass.scale = 1.f;
    pass.accumulate = pass.to_narrow = false;
  }
  return pass;
}

template <typename T>
void launch_pass_of(cudaStream_t stream, const SumPass& pass, const void* x, void* y) {
  const auto kernel =
      pass.along_length ? sum_kernel<T, 4, true> : (pass.wide ? sum_kernel<T, 4, false> : sum_kernel<T, 1, false>);
  launch_cooperating(stream, kernel, blocks_for(pass.blocks(), 1), dim3(kThreads), 0, pass, static_cast<const T*>(x),
                     y);
}

void launch_pass(cudaStream_t stream, const SumPass& pass, const void* x, void* y) {
  (pass.from_narrow ? launch_pass_of<Bfloat16> : launch_pass_of<float>)(stream, pass, x, y);
}

}  // namespace

SumRun plan_sum(Prepare& prepare, const SumShape& shape, size_t workspace_offset) {
  if (shape.outer == 0 || shape.inner == 0) return [](cudaStream_t, const void*, void*) {};
  const SumPass first = plan_pass(shape, prepare.multiprocessors());
  if (first.slices == 1) return [=](cudaStream_t stream, const void* x, void* y) { launch_pass(stream, first, x, y); };

  const size_t bytes = static_cast<size_t>(shape.outer * first.slices * shape.inner) * sizeof(float);
  const size_t offset = (workspace_offset + 15) / 16 * 16;
  const Workspace workspace = prepare.workspace(offset + bytes);
  // Told that there are no multiprocessors to fill, the second pass is not cut again.
  const SumPass second =
      plan_pass({shape.outer, first.slices, shape.inner, shape.scale, shape.accumulate, DType::kFloat32, shape.y}, 0);
  return [=](cudaStream_t stream, const void* x, void* y) {
    void* partial = static_cast<char*>(workspace.data()) + offset;
    launch_pass(stream, first, x, partial);
    launch_pass(stream, second, partial, y);
  };
}

Step reduce_sum(Prepare& prepare, const ReduceSumArgs& args) {
  const void* x = prepare.at<char>(args.x);
  float* y = prepare.at(args.y);
  const SumRun run =
      plan_sum(prepare, {args.outer, args.length, args.inner, args.scale, args.accumulate_y != 0, args.x.dtype});
  return [=](cudaStream_t stream) { run(stream, x, y); };
}

}  // namespace gradstep::cuda
