// reduce_sum on CUDA, by the passes of reduce_pass.cuh: packs along length are added up in the end; of slices, a second
// launch adds the sums, which stay in float32 as long as they are no results. The order of additions depends on the
// shape and the device only.
#include "cuda/bfloat16.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/reduce_sum.h"
#include "ops/reduce_pass.cuh"
#include "ops/reduce_sum.cuh"

namespace gradstep::cuda {
namespace {

struct SumPass : ReducePass {
  float scale;
  bool accumulate;
  bool from_narrow, to_narrow;  // x and y are stored in bfloat16
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
  const auto [i, o, slice, row, inside] = ReducePlace(s);

  Pack<float, kWidth> sums[kReduceUnroll] = {};
  if (inside) {
    const int64_t end = min((slice + 1) * s.slice_length, s.length);
    int64_t l = slice * s.slice_length + row;
    const T* at = x + ((o * s.length + l) * s.inner + i) * kWidth;
    const int64_t step = s.height * s.inner * kWidth;
    for (; l + (kReduceUnroll - 1) * s.height < end; l += kReduceUnroll * s.height, at += kReduceUnroll * step) {
#pragma unroll
      for (int k = 0; k < kReduceUnroll; k++) add_to(sums[k], load_wide<kWidth>(at + k * step));
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

SumPass plan_sum_pass(const SumShape& shape, int multiprocessors) {
  const ReducePass pass = plan_reduction(shape.outer, shape.length, shape.inner, multiprocessors);
  const bool whole = pass.slices == 1;
  return {pass, whole ? shape.scale : 1.f, whole && shape.accumulate, shape.x == DType::kBfloat16,
          whole && shape.y == DType::kBfloat16};
}

template <typename T>
void launch_sum_of(cudaStream_t stream, const SumPass& pass, const void* x, void* y) {
  const auto kernel =
      pass.along_length ? sum_kernel<T, 4, true> : (pass.wide ? sum_kernel<T, 4, false> : sum_kernel<T, 1, false>);
  launch_cooperating(stream, kernel, blocks_for(pass.blocks(), 1), dim3(kThreads), 0, pass, static_cast<const T*>(x),
                     y);
}

void launch_sum(cudaStream_t stream, const SumPass& pass, const void* x, void* y) {
  (pass.from_narrow ? launch_sum_of<Bfloat16> : launch_sum_of<float>)(stream, pass, x, y);
}

}  // namespace

SumRun plan_sum(Prepare& prepare, const SumShape& shape, size_t workspace_offset) {
  if (shape.outer == 0 || shape.inner == 0) return [](cudaStream_t, const void*, void*) {};
  const SumPass first = plan_sum_pass(shape, prepare.multiprocessors());
  if (first.slices == 1) return [=](cudaStream_t stream, const void* x, void* y) { launch_sum(stream, first, x, y); };

  const size_t bytes = static_cast<size_t>(shape.outer * first.slices * shape.inner) * sizeof(float);
  const size_t offset = (workspace_offset + 15) / 16 * 16;
  const Workspace workspace = prepare.workspace(offset + bytes);
  const SumPass second = plan_sum_pass(
      {shape.outer, first.slices, shape.inner, shape.scale, shape.accumulate, DType::kFloat32, shape.y}, 0);
  return [=](cudaStream_t stream, const void* x, void* y) {
    void* partial = static_cast<char*>(workspace.data()) + offset;
    launch_sum(stream, first, x, partial);
    launch_sum(stream, second, partial, y);
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
