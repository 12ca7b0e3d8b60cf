// lstm and its gradient on CUDA: the cell of a turn (recurrence.cuh). gates may lie in xw's memory and dxw in gates': a
// thread reads what it overwrites.
#include "cuda/prepare.h"
#include "generated/args/lstm.h"
#include "ops/lstm.h"
#include "ops/persistent_recurrence.cuh"

namespace gradstep::cuda {
namespace {

struct Lstm {
  static constexpr int kGates = 4;
  Sequence s;
  CellActivation activation, recurrent;
  const float *u, *h0, *c0, *mask, *keep;  // all but u: or null

  __device__ CellActivation of(int gate) const { return gate == 2 ? activation : recurrent; }
};

struct Forward : Lstm {
  static constexpr bool kBackward = false;
  const float* xw;
  float *y, *h, *c, *gates, *cells, *h_prev;  // or null
  // Of the workspace; met: what meets the kernel at a turn.
  float *h_state = nullptr, *c_state = nullptr;
  Alternating met = {};

  __host__ __device__ int turns() const { return s.steps; }
  __host__ __device__ const float* operand(int turn) const {
    return turn > 0 || (h0 != nullptr && keep != nullptr) ? met(turn) : h0;
  }

  template <int kPack>
  __device__ void finish(int turn, const Units<kPack>& here, const Pack<float, kPack> (&z)[kGates]) const {
    const bool last = turn == s.steps - 1;
    const int64_t t = s.input(turn), units = s.units;
    Pack<float, kPack> h_new = load_or<kPack>(turn == 0 ? h0 : (keep ? h_state : met(turn)), here.at(), 0.f);
    Pack<float, kPack> c_new = load_or<kPack>(turn == 0 ? c0 : c_state, here.at(), 0.f);
    Pack<float, kPack> values[kGates] = {};
    store_to(at_step(h_prev, t, units), here.over_time(), h_new);
    if (!here.masked(at_step(mask, t, 1))) {
#pragma unroll
      for (int g = 0; g < kGates; g++) {
        const Pack<float, kPack> x = load_pack<kPack>(at_step(xw, t, kGates * units) + here.over_time(kGates, g));
        values[g] = activated(of(g), plus(x, z[g]));
      }
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        c_new.v[k] = lstm_cell({values[0].v[k], values[1].v[k], values[2].v[k], values[3].v[k]}, c_new.v[k]);
      }
      h_new = times(activated(activation, c_new), values[3]);
    }
    if (gates != nullptr) {
#pragma unroll
      for (int g = 0; g < kGates; g++) {
        store_pack(at_step(gates, t, kGates * units) + here.over_time(kGates, g), values[g]);
      }
    }
    store_to(at_step(cells, t, units), here.over_time(), c_new);
    store_to(at_step(y, s.result(turn), units), here.over_time(), h_new);
    store_to(last ? h : (keep ? h_state : nullptr), here.at(), h_new);
    store_to(last ? c : c_state, here.at(), c_new);
    if (!last) store_pack(met(turn + 1) + here.at(), times(h_new, load_or<kPack>(keep, here.at(), 1.f)));
  }
};

struct Backward : Lstm {
  static constexpr bool kBackward = true;
  const float *gates, *cells, *dy, *dh, *dc;  // the last three: or null
  float *dxw, *dh0, *dc0;                     // the last two: or null
  // Of the workspace; past: the state's gradient past masked steps, or null; d: [batch, 4, units], of a turn's step.
  float *past = nullptr, *c_state = nullptr;
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
    const int64_t t = s.input(i);
    const Pack<float, kPack> dh_here =
        state_gradient<kPack>(here, came_past, z[0], keep, at_step(dy, s.result(i), units));
    Pack<float, kPack> dc_here = load_or<kPack>(turn == 0 ? dc : c_state, here.at(), 0.f);
    Pack<float, kPack> dz[kGates] = {};
    const bool masked = here.masked(at_step(mask, t, 1));
    if (!masked) {
      Pack<float, kPack> values[kGates];
#pragma unroll
      for (int g = 0; g < kGates; g++) {
        values[g] = load_pack<kPack>(at_step(gates, t, kGates * units) + here.over_time(kGates, g));
      }
      const Pack<float, kPack> a = activated(activation, load_pack<kPack>(at_step(cells, t, units) + here.over_time()));
      const Pack<float, kPack> c_before =
          i == 0 ? load_or<kPack>(c0, here.at(), 0.f)
                 : load_pack<kPack>(at_step(cells, s.input(i - 1), units) + here.over_time());
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        const LstmGates v{values[0].v[k], values[1].v[k], values[2].v[k], values[3].v[k]};
        const float slope = cell_slope(activation, a.v[k]);
        const LstmGradient by = lstm_gradient(v, c_before.v[k], a.v[k], slope, dh_here.v[k], dc_here.v[k]);
        dz[0].v[k] = by.gates.i;
        dz[1].v[k] = by.gates.f;
        dz[2].v[k] = by.gates.g;
        dz[3].v[k] = by.gates.o;
        dc_here.v[k] = by.c_prev;
      }
#pragma unroll
      for (int g = 0; g < kGates; g++) dz[g] = through(of(g), dz[g], values[g]);
    }
    const bool more = turn + 1 < turns();
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      store_pack(at_step(dxw, t, kGates * units) + here.over_time(kGates, g), dz[g]);
      if (more) store_pack(d(turn) + here.at(kGates, g), dz[g]);
    }
    store_to(past, here.at(), masked ? dh_here : zeros<kPack>());
    store_to(i == 0 ? dc0 : c_state, here.at(), dc_here);
  }
};

template <typename Args>
Lstm common(const Prepare& prepare, const Args& args, const Tensor& over_time) {
  return {sequence_of(args, over_time),
          static_cast<CellActivation>(args.activation),
          static_cast<CellActivation>(args.recurrent_activation),
          prepare.at(args.u),
          prepare.at(args.h0),
          prepare.at(args.c0),
          prepare.at(args.mask),
          prepare.at(args.keep)};
}

}  // namespace

Step lstm(Prepare& prepare, const LstmArgs& args) {
  const Forward f{common(prepare, args, args.xw),
                  prepare.at(args.xw),
                  prepare.at(args.y),
                  prepare.at(args.h),
                  prepare.at(args.c),
                  prepare.at(args.gates),
                  prepare.at(args.cells),
                  prepare.at(args.h_prev)};
  Scratch scratch(prepare);
  const Turns<Forward> turns(prepare, scratch, f.s, precision_of(args));
  const int64_t state = static_cast<int64_t>(f.s.batch) * f.s.units;
  const size_t h = scratch.array(f.keep ? state : 0), c = scratch.array(state), even = scratch.array(state),
               odd = scratch.array(state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    Forward run = f;
    run.h_state = scratch.at(h);
    run.c_state = scratch.at(c);
    run.met = {scratch.at(even), scratch.at(odd)};
    if (run.h0 && run.keep) multiply_state(stream, run.s, run.h0, run.keep, run.met.even);
    turns.run(stream, scratch, run);
  };
}

Step lstm_dx(Prepare& prepare, const LstmDxArgs& args) {
  const Backward b{common(prepare, args, args.gates),
                   prepare.at(args.gates),
                   prepare.at(args.cells),
                   prepare.at(args.dy),
                   prepare.at(args.dh),
                   prepare.at(args.dc),
                   prepare.at(args.dxw),
                   prepare.at(args.dh0),
                   prepare.at(args.dc0)};
  Scratch scratch(prepare);
  const Turns<Backward> turns(prepare, scratch, b.s, precision_of(args));
  const int64_t state = static_cast<int64_t>(b.s.batch) * b.s.units;
  const size_t past = scratch.array(b.mask ? state : 0), c = scratch.array(state),
               even = scratch.array(Lstm::kGates * state), odd = scratch.array(Lstm::kGates * state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    Backward run = b;
    run.past = run.mask ? scratch.at(past) : nullptr;
    run.c_state = scratch.at(c);
    run.d = {scratch.at(even), scratch.at(odd)};
    turns.run(stream, scratch, run);
  };
}

}  // namespace gradstep::cuda
