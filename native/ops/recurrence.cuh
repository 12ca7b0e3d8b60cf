// What the recurrent kernels share on CUDA: the order of steps, a thread's units, the scratch of a recurrence, its
// turns.
//
// A turn is a product with the recurrent kernel and the cell's arithmetic behind it: forward the product of the state
// and a step; backward the product of a step's gradient and the step made before it, after the last of which one turn
// more yields the initial state's gradient. Either every turn is two nodes of the captured graph, a product on the GEMM
// seam and a launch for the cell, or one kernel makes them all (turn_loop.cuh). What goes from turn to turn lies in the
// workspace as [batch, units] or [batch, gates, units], unless the kernel's blocks hand it to each other.
//
// A `Run` is one direction of one op, plain data:
//   kGates, kBackward         the recurrent kernel is [units, kGates, units]; backward its transpose is multiplied by
//   s, u                      the sequence, the recurrent kernel
//   turns()
//   operand(turn)             [batch, units] or, backward, [batch, kGates, units]; null: zeros, there is no product,
//                             which only the first turn may lack
//   next(turn)                operand(turn + 1), to be written
// and the cell of a thread's units in three parts, so that what others wait for comes first and what waits for nobody
// is under way meanwhile:
//   fetch(turn, here)         Known: all that it reads but the product; others wrote none of it during the last turn
//   make(turn, known, z, brought)  Made; z: what the product came to for each gate, backward in all. brought: becomes
//                             what these units bring to operand(turn + 1)
//   store(turn, here, made)   writes the rest
#pragma once

#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/scratch.h"
#include "cuda/stored.h"
#include "ops/cell_activation.h"

namespace gradstep::cuda {

// Steps in the order in which they are made, and where their inputs and results lie.
struct Sequence {
  int32_t batch, steps, units;
  bool backward, reversed;

  __host__ __device__ int64_t input(int64_t i) const { return backward ? steps - 1 - i : i; }
  __host__ __device__ int64_t result(int64_t i) const { return reversed ? i : input(i); }
};

// `over_time`: an array [batch, steps, …].
template <typename Args>
Sequence sequence_of(const Args& args, const Tensor& over_time) {
  return {over_time.dims[0], over_time.dims[1], args.u.dims[0], args.direction != Args::kDirectionForward,
          args.direction == Args::kDirectionReversed};
}

// An array over time, `width` numbers a step, from step t on; none stays none.
template <typename T>
__host__ __device__ T* at_step(T* array, int64_t t, int64_t width) {
  return array == nullptr ? nullptr : array + t * width;
}
__host__ __device__ inline Stored at_step(const Stored& array, int64_t t, int64_t width) {
  return array ? array + t * width : array;
}

// Two arrays of the workspace, for even turns and for odd ones: what a turn writes while others may still read the
// other.
struct Alternating {
  float *even = nullptr, *odd = nullptr;

  __host__ __device__ float* operator()(int turn) const { return turn % 2 == 0 ? even : odd; }
};

constexpr int kUnitThreads = 128;
// As kRowBlocks of softmax.cuh.
constexpr int kUnitBlocks = 4;

// What a thread works on: kPack neighbouring units of a row.
template <int kPack>
struct Units {
  int64_t row;
  int32_t unit, units, steps;
  bool inside;

  __device__ Units(const Sequence& s, int64_t at_row, int32_t at_unit)
      : row(at_row), unit(at_unit), units(s.units), steps(s.steps), inside(true) {}
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
__device__ inline void store_to(const Stored& to, int64_t at, const Pack<float, kPack>& values) {
  if (to) store_narrow(to + at, values);
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

// What makes the state's gradient at a step: what came past the cell of the step made after it, the factors of what met
// the recurrent kernel, and the result's gradient.
template <int kPack>
struct StateGradient {
  Pack<float, kPack> past, keep;
  StoredPack<kPack> dy;

  // Each may be absent.
  static __device__ StateGradient fetch(const Units<kPack>& here, const float* past, const float* keep,
                                        const Stored& dy) {
    return {load_or<kPack>(past, here.at(), 0.f), load_or<kPack>(keep, here.at(), 1.f),
            load_stored<kPack>(dy, here.over_time())};
  }
  // z: by what met the recurrent kernel; narrow: dy.
  __device__ Pack<float, kPack> with(const Pack<float, kPack>& z, bool narrow) const {
    return plus(plus(past, times(z, keep)), dy.wide(narrow));
  }
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads)
    multiply_state_kernel(Sequence s, const float* h, const float* keep, float* met) {
  const Units<kPack> here(s);
  if (here.inside)
    store_pack(met + here.at(), times(load_pack<kPack>(h + here.at()), load_pack<kPack>(keep + here.at())));
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

// The product of one step: [batch, k] with columns of the recurrent kernel [units, columns], or with their transpose.
inline GemmShape step_product(const Sequence& s, int64_t n, int64_t k, bool transposed, int64_t columns,
                              Precision precision) {
  GemmShape shape{};
  shape.m = s.batch;
  shape.n = n;
  shape.k = k;
  shape.transpose_b = transposed;
  shape.row_b = (transposed ? k : n) == columns ? 0 : columns;
  shape.precision = precision;
  return shape;
}

template <typename Run>
constexpr int kProducts = Run::kBackward ? 1 : Run::kGates;  // of a row and a unit

template <typename Run>
constexpr int kBrought = Run::kBackward ? Run::kGates : 1;  // by a row's unit, to the next operand

template <typename Run, int kPack>
__device__ inline void store_next(const Run& run, int turn, const Units<kPack>& here,
                                  const Pack<float, kPack> (&brought)[kBrought<Run>]) {
  if (turn + 1 == run.turns()) return;
#pragma unroll
  for (int g = 0; g < kBrought<Run>; g++) store_pack(run.next(turn) + here.at(kBrought<Run>, g), brought[g]);
}

// `z`: [batch, kProducts, units]; null: zeros.
template <typename Run, int kPack>
__global__ void __launch_bounds__(kUnitThreads, kUnitBlocks) turn_kernel(Run run, int turn, const float* z) {
  const Units<kPack> here(run.s);
  if (!here.inside) return;
  Pack<float, kPack> products[kProducts<Run>];
#pragma unroll
  for (int g = 0; g < kProducts<Run>; g++) products[g] = load_or<kPack>(z, here.at(kProducts<Run>, g), 0.f);
  Pack<float, kPack> brought[kBrought<Run>] = {};
  const auto made = run.make(turn, run.fetch(turn, here), products, brought);
  store_next(run, turn, here, brought);
  run.store(turn, here, made);
}

}  // namespace gradstep::cuda
