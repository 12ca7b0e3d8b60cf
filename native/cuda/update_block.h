// The kernel of every optimizer on CUDA: one pass over the parameter block, four elements a thread at a time, and
// nothing while a flag is set. A rule (native/ops/<optimizer>.h) holds the options; rule.at(learning rate, t) works out
// what all elements of step t share, and what it returns moves one element: move(w, g, slot...). Learning rate, step
// and flag are read from device memory, so that a captured step stays valid when they change. Where faults are watched
// an element whose gradient is not finite stays as it is, with its slots, and is told.
#pragma once

#include <utility>

#include "core/state.h"
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "cuda/vec.h"

namespace gradstep::cuda {

constexpr int kUpdateThreads = 256;

template <int kSlots>
struct UpdateBlock {
  float* params;             // [n]
  const float* grads;        // [n]
  const float* rate;         // [1]
  const int32_t* state;      // [4], or null for rules that do not depend on the step
  const int32_t* flag;       // [4]
  int32_t* fault;            // [1], or null: any gradient is followed
  int64_t n;                 //
  int32_t first;             // position of params among all that the step moves
  float* slots[kSlots + 1];  // [n] each; the last is unused, so that there may be none
};

// Whether all four are finite: otherwise a product with 0 is NaN.
__device__ inline bool all_finite(float4 x) { return x.x * 0.f + x.y * 0.f + x.z * 0.f + x.w * 0.f == 0.f; }

// Moves elements `at` and up to, without, `end`, one by one.
template <typename Move, int kSlots, int... k>
__device__ inline void update_each(const Move& move, const UpdateBlock<kSlots>& b, int64_t at, int64_t end,
                                   std::integer_sequence<int, k...>) {
  for (int64_t i = at; i < end; i++) {
    const float g = b.grads[i];
    if (b.fault && !isfinite(g)) {
      atomicMax(b.fault, static_cast<int32_t>(b.first + i + 1));
    } else {
      move(b.params[i], g, b.slots[k][i]...);
    }
  }
}

// Moves the four elements at `at`, or those of them that exist.
template <typename Move, int kSlots, int... k>
__device__ inline void update_four(const Move& move, const UpdateBlock<kSlots>& b, int64_t at,
                                   std::integer_sequence<int, k...> slot_numbers) {
  if (at + 4 > b.n) return update_each(move, b, at, b.n, slot_numbers);
  const float4 g = load4(b.grads + at);
  if (b.fault && !all_finite(g)) return update_each(move, b, at, at + 4, slot_numbers);
  float4 w = load4(b.params + at);
  [[maybe_unused]] float4 slots[kSlots + 1] = {load4(b.slots[k] + at)...};
  move(w.x, g.x, slots[k].x...);
  move(w.y, g.y, slots[k].y...);
  move(w.z, g.z, slots[k].z...);
  move(w.w, g.w, slots[k].w...);
  store4(b.params + at, w);
  (store4(b.slots[k] + at, slots[k]), ...);
}

// Four blocks a multiprocessor are enough to keep its memory busy; asked for more, ptxas spills.
template <typename Rule, int kSlots>
__global__ void __launch_bounds__(kUpdateThreads, 4) update_kernel(Rule rule, UpdateBlock<kSlots> b) {
  if (b.flag[0] != kFlagNone) return;
  __shared__ typename Rule::Move shared_move;
  if (threadIdx.x == 0) shared_move = rule.at(*b.rate, b.state ? b.state[kStateStep] + 1 : 0);
  __syncthreads();
  const typename Rule::Move move = shared_move;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kUpdateThreads * 4;
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kUpdateThreads + threadIdx.x) * 4; at < b.n; at += stride) {
    update_four(move, b, at, std::make_integer_sequence<int, kSlots>());
  }
}

// `state` is null for rules that do not depend on the step; `slots` are float*.
template <typename Args, typename Rule, typename... Slot>
Step update_block(Prepare& prepare, const Args& args, const Rule& rule, const int32_t* state, Slot... slots) {
  constexpr int kSlots = sizeof...(Slot);
  const UpdateBlock<kSlots> block{prepare.at(args.params),
                                  prepare.at(args.grads),
                                  prepare.at(args.learning_rate),
                                  state,
                                  prepare.template at<int32_t>(args.flag),
                                  prepare.template at<int32_t>(args.fault),
                                  args.params.size(),
                                  args.first,
                                  {slots...}};
  // A few blocks a multiprocessor, so that what a step's elements share is worked out a few times and not once per
  // kilobyte.
  const int64_t wanted = (block.n + kUpdateThreads * 4 - 1) / (kUpdateThreads * 4);
  const int64_t most = static_cast<int64_t>(prepare.multiprocessors()) * 8;
  const dim3 grid = blocks_for(wanted < most ? wanted : most, 1);
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, update_kernel<Rule, kSlots>, grid, dim3(kUpdateThreads), 0, rule, block);
  };
}

}  // namespace gradstep::cuda
