// simpleRnn and its gradient on CUDA: the cell of a turn (recurrence.cuh).
#include "cuda/prepare.h"
#include "generated/args/simple_rnn.h"
#include "ops/persistent_recurrence.cuh"

namespace gradstep::cuda {
namespace {

struct Simple {
  static constexpr int kGates = 1;
  Sequence s;
  CellActivation activation;
  const float *u, *h0, *mask, *keep;  // all but u: or null
};

struct Forward : Simple {
  static constexpr bool kBackward = false;
  const float* xw;
  float *y, *h, *h_prev;  // or null
  // Of the workspace; met: what meets the kernel at a turn.
  float* h_state = nullptr;
  Alternating met = {};

  __host__ __device__ int turns() const { return s.steps; }
  __host__ __device__ const float* operand(int turn) const {
    return turn > 0 || (h0 != nullptr && keep != nullptr) ? met(turn) : h0;
  }

  template <int kPack>
  __device__ void finish(int turn, const Units<kPack>& here, const Pack<float, kPack> (&z)[1]) const {
    const bool last = turn == s.steps - 1;
    const int64_t t = s.input(turn), units = s.units;
    Pack<float, kPack> h_new = load_or<kPack>(turn == 0 ? h0 : (keep ? h_state : met(turn)), here.at(), 0.f);
    store_to(at_step(h_prev, t, units), here.over_time(), h_new);
    if (!here.masked(at_step(mask, t, 1))) {
      h_new = activated(activation, plus(load_pack<kPack>(at_step(xw, t, units) + here.over_time()), z[0]));
    }
    store_to(at_step(y, s.result(turn), units), here.over_time(), h_new);
    store_to(last ? h : (keep ? h_state : nullptr), here.at(), h_new);
    if (!last) store_pack(met(turn + 1) + here.at(), times(h_new, load_or<kPack>(keep, here.at(), 1.f)));
  }
};

struct Backward : Simple {
  static constexpr bool kBackward = true;
  const float *y, *dy, *dh;  // the last two: or null
  float *dxw, *dh0;          // dh0: or null
  // Of the workspace; past: the state's gradient past masked steps, or null; d: of a turn's step.
  float* past = nullptr;
  Alternating d = {};

  __host__ __device__ int turns() const { return s.steps + (dh0 != nullptr ? 1 : 0); }
  __host__ __device__ const float* operand(int turn) const { return turn == 0 ? nullptr : d(turn - 1); }

  template <int kPack>
  __device__ void finish(int turn, const Units<kPack>& here, const Pack<float, kPack> (&z)[1]) const {
    const int64_t i = s.steps - 1 - turn, units = s.units;
    const float* came_past = turn == 0 ? dh : past;
    if (i < 0) {
      store_pack(dh0 + here.at(), state_gradient<kPack>(here, came_past, z[0], keep, nullptr));
      return;
    }
    const int64_t t = s.input(i), result = s.result(i);
    const Pack<float, kPack> dh_here = state_gradient<kPack>(here, came_past, z[0], keep, at_step(dy, result, units));
    const bool masked = here.masked(at_step(mask, t, 1));
    const Pack<float, kPack> dz =
        masked ? zeros<kPack>()
               : through(activation, dh_here, load_pack<kPack>(at_step(y, result, units) + here.over_time()));
    store_pack(at_step(dxw, t, units) + here.over_time(), dz);
    if (turn + 1 < turns()) store_pack(d(turn) + here.at(), dz);
    store_to(past, here.at(), masked ? dh_here : zeros<kPack>());
  }
};

template <typename Args>
Simple common(const Prepare& prepare, const Args& args, const Tensor& over_time) {
  return {sequence_of(args, over_time), static_cast<CellActivation>(args.activation),
          prepare.at(args.u),           prepare.at(args.h0),
          prepare.at(args.mask),        prepare.at(args.keep)};
}

}  // namespace

Step simple_rnn(Prepare& prepare, const SimpleRnnArgs& args) {
  const Forward f{common(prepare, args, args.xw), prepare.at(args.xw), prepare.at(args.y), prepare.at(args.h),
                  prepare.at(args.h_prev)};
  Scratch scratch(prepare);
  const Turns<Forward> turns(prepare, scratch, f.s, precision_of(args));
  const int64_t state = static_cast<int64_t>(f.s.batch) * f.s.units;
  const size_t h = scratch.array(f.keep ? state : 0), even = scratch.array(state), odd = scratch.array(state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    Forward run = f;
    run.h_state = scratch.at(h);
    run.met = {scratch.at(even), scratch.at(odd)};
    if (run.h0 && run.keep) multiply_state(stream, run.s, run.h0, run.keep, run.met.even);
    turns.run(stream, scratch, run);
  };
}

Step simple_rnn_dx(Prepare& prepare, const SimpleRnnDxArgs& args) {
  const Backward b{common(prepare, args, args.y), prepare.at(args.y),   prepare.at(args.dy),
                   prepare.at(args.dh),           prepare.at(args.dxw), prepare.at(args.dh0)};
  Scratch scratch(prepare);
  const Turns<Backward> turns(prepare, scratch, b.s, precision_of(args));
  const int64_t state = static_cast<int64_t>(b.s.batch) * b.s.units;
  const size_t past = scratch.array(b.mask ? state : 0), even = scratch.array(state), odd = scratch.array(state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    Backward run = b;
    run.past = run.mask ? scratch.at(past) : nullptr;
    run.d = {scratch.at(even), scratch.at(odd)};
    turns.run(stream, scratch, run);
  };
}

}  // namespace gradstep::cuda
