// What the recurrent kernels share on CUDA: the order of steps, a thread's units, the scratch of a recurrence.
//
// A step is a product of the state with the recurrent kernel (the GEMM seam) and, forward behind it, backward before
// it, a launch for the cell's arithmetic; all of them are nodes of the captured graph. What goes from step to step lies
// in the workspace as [batch, units] or [batch, gates, units]. Arrays over time, [batch, steps, …], are handed to a
// launch from where its step begins in them.
#pragma once

#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "ops/cell_activation.h"

namespace gradstep::cuda {

// Steps in the order in which they are made, and where their inputs and results lie.
struct Sequence {
  int32_t batch, steps, units;
  bool backward, reversed;

  int64_t input(int64_t i) const { return backward ? steps - 1 - i : i; }
  int64_t result(int64_t i) const { return reversed ? i : input(i); }
};

// `over_time`: an array [batch, steps, …].
template <typename Args>
Sequence sequence_of(const Args& args, const Tensor& over_time) {
  return {over_time.dims[0], over_time.dims[1], args.u.dims[0], args.direction != Args::kDirectionForward,
          args.direction == Args::kDirectionReversed};
}

// An array over time, `width` floats a step, from step t on; null stays null.
template <typename T>
T* at_step(T* array, int64_t t, int64_t width) {
  return array == nullptr ? nullptr : array + t * width;
}

constexpr int kUnitThreads = 128;

// What a thread works on: kPack neighbouring units of a row.
template <int kPack>
struct Units {
  int64_t row;
  int32_t unit, units, steps;
  bool inside;

  __device__ explicit Units(const Sequence& s) : units(s.units), steps(s.steps) {
    const int64_t item = static_cast<int64_t>(blockIdx.x) * kUnitThreads + threadIdx.x;
    row = item / (units / kPack);
    unit = static_cast<int32_t>(item - row * (units / kPack)) * kPack;
    inside = row < s.batch;
  }

  // Their place in gate `g` of [batch, gates, units].
  __device__ int64_t at(int gates = 1, int g = 0) const { return (row * gates + g) * units + unit; }
  // The same in [batch, steps, gates, units], from the beginning of the step.
  __device__ int64_t over_time(int gates = 1, int g = 0) const { return (row * steps * gates + g) * units + unit; }
  // `mask`: [batch, steps], from the step on; or null.
  __device__ bool masked(const float* mask) const { return mask != nullptr && mask[row * steps] == 0.f; }
};

inline dim3 unit_blocks(const Sequence& s) {
  return blocks_for(static_cast<int64_t>(s.batch) * s.units / (s.units % 4 == 0 ? 4 : 1), kUnitThreads);
}

template <int kPack>
__device__ inline Pack<float, kPack> zeros() {
  return load_or<kPack>(nullptr, 0, 0.f);
}

// Stores where there is an array.
template <int kPack>
__device__ inline void store_to(float* to, int64_t at, const Pack<float, kPack>& values) {
  if (to != nullptr) store_pack(to + at, values);
}

template <int kPack>
__device__ inline Pack<float, kPack> activated(CellActivation kind, Pack<float, kPack> x) {
#pragma unroll
  for (int k = 0; k < kPack; k++) x.v[k] = cell_value(kind, x.v[k]);
  return x;
}

// dy times the slope where the activation's value is y.
template <int kPack>
__device__ inline Pack<float, kPack> through(CellActivation kind, Pack<float, kPack> dy, const Pack<float, kPack>& y) {
#pragma unroll
  for (int k = 0; k < kPack; k++) dy.v[k] *= cell_slope(kind, y.v[k]);
  return dy;
}

template <int kPack>
__device__ inline Pack<float, kPack> plus(Pack<float, kPack> a, const Pack<float, kPack>& b) {
#pragma unroll
  for (int k = 0; k < kPack; k++) a.v[k] += b.v[k];
  return a;
}

template <int kPack>
__device__ inline Pack<float, kPack> times(Pack<float, kPack> a, const Pack<float, kPack>& b) {
#pragma unroll
  for (int k = 0; k < kPack; k++) a.v[k] *= b.v[k];
  return a;
}

// The state's gradient at a step: what came past the cell of the step made after it, what came through its product (by
// what met the recurrent kernel, so factors apply), and the result's. Each may be null.
struct StateGradient {
  const float *past, *met, *keep, *dy;  // [batch, units], but dy is over time

  template <int kPack>
  __device__ Pack<float, kPack> at(const Units<kPack>& here) const {
    Pack<float, kPack> d = load_or<kPack>(past, here.at(), 0.f);
    if (met != nullptr) d = plus(d, times(load_pack<kPack>(met + here.at()), load_or<kPack>(keep, here.at(), 1.f)));
    if (dy != nullptr) d = plus(d, load_pack<kPack>(dy + here.over_time()));
    return d;
  }
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads)
    multiply_state_kernel(Sequence s, const float* h, const float* keep, float* met) {
  const Units<kPack> here(s);
  if (here.inside)
    store_pack(met + here.at(), times(load_pack<kPack>(h + here.at()), load_pack<kPack>(keep + here.at())));
}

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) first_state_kernel(Sequence s, StateGradient d, float* dh0) {
  const Units<kPack> here(s);
  if (here.inside) store_pack(dh0 + here.at(), d.at(here));
}

// One of a kernel's two widths.
template <typename Kernel>
Kernel for_units(const Sequence& s, Kernel one, Kernel four) {
  return s.units % 4 == 0 ? four : one;
}

// met = h·keep.
inline void multiply_state(cudaStream_t stream, const Sequence& s, const float* h, const float* keep, float* met) {
  launch(stream, for_units(s, multiply_state_kernel<1>, multiply_state_kernel<4>), unit_blocks(s), dim3(kUnitThreads),
         s, h, keep, met);
}

// The gradient by the initial state.
inline void first_state(cudaStream_t stream, const Sequence& s, const StateGradient& d, float* dh0) {
  launch(stream, for_units(s, first_state_kernel<1>, first_state_kernel<4>), unit_blocks(s), dim3(kUnitThreads), s, d,
         dh0);
}

// The workspace of a recurrence: its arrays, and behind them what its products ask for, one at a time. Plan first, then
// settle, then launch.
class Scratch {
 public:
  explicit Scratch(Prepare& prepare) : prepare_(&prepare), workspace_(prepare.workspace(0)) {}

  // Place of an array of so many floats, or of none; see at().
  size_t array(int64_t floats) {
    const size_t place = arrays_;
    arrays_ += (static_cast<size_t>(floats) * sizeof(float) + kAlign - 1) / kAlign * kAlign;
    return place;
  }
  Gemm::Run product(const GemmShape& shape) {
    Gemm& gemm = prepare_->gemm();
    const size_t bytes = gemm.workspace_bytes(shape);
    if (bytes > products_) products_ = bytes;
    return gemm.plan(shape);
  }
  void settle() { workspace_ = prepare_->workspace(arrays_ + products_); }

  float* at(size_t place) const { return reinterpret_cast<float*>(static_cast<char*>(workspace_.data()) + place); }
  void* for_products() const { return at(arrays_); }

 private:
  static constexpr size_t kAlign = 256;
  Prepare* prepare_;
  Workspace workspace_;
  size_t arrays_ = 0, products_ = 0;
};

// The product of one step: [batch, k] with columns of the recurrent kernel [units, columns], or with their transpose.
inline GemmShape step_product(const Sequence& s, int64_t n, int64_t k, bool transposed, int64_t columns,
                              bool bfloat16) {
  GemmShape shape{};
  shape.m = s.batch;
  shape.n = n;
  shape.k = k;
  shape.transpose_b = transposed;
  shape.row_b = (transposed ? k : n) == columns ? 0 : columns;
  shape.bfloat16 = bfloat16;
  return shape;
}

}  // namespace gradstep::cuda
