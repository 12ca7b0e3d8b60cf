// lstm and its gradient on CUDA: the cell of a turn (recurrence.cuh). gates may lie in xw's memory and dxw in gates': a
// thread reads what it overwrites. Arrays over time may be stored in bfloat16, but for cells.
#include "cuda/prepare.h"
#include "generated/args/lstm.h"
#include "ops/lstm.h"
#include "ops/recurrence_forms.cuh"

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
  Stored xw;
  Stored y, gates, h_prev;  // or none
  float *h, *c, *cells;     // or null
  // Of the workspace; h_state: null where it is what meets the kernel; met: that, at a turn.
  float *h_state = nullptr, *c_state = nullptr;
  Alternating met = {};

  __host__ __device__ int turns() const { return s.steps; }
  __host__ __device__ const float* operand(int turn) const {
    return turn > 0 || (h0 != nullptr && keep != nullptr) ? met(turn) : h0;
  }
  __device__ float* next(int turn) const { return met(turn + 1); }

  template <int kPack>
  struct Known {
    StoredPack<kPack> x[kGates];
    Pack<float, kPack> h, c, keep;
    bool masked;
  };
  template <int kPack>
  struct Made {
    Pack<float, kPack> values[kGates], h_before, h, c;
  };

  template <int kPack>
  __device__ Known<kPack> fetch(int turn, const Units<kPack>& here) const {
    const int64_t t = s.input(turn), units = s.units;
    Known<kPack> known;
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      known.x[g] = load_stored<kPack>(at_step(xw, t, kGates * units), here.over_time(kGates, g));
    }
    known.h = load_or<kPack>(turn == 0 ? h0 : (h_state ? h_state : met(turn)), here.at(), 0.f);
    known.c = load_or<kPack>(turn == 0 ? c0 : c_state, here.at(), 0.f);
    known.keep = load_or<kPack>(keep, here.at(), 1.f);
    known.masked = here.masked(at_step(mask, t, 1));
    return known;
  }

  template <int kPack>
  __device__ Made<kPack> make(int, const Known<kPack>& known, const Pack<float, kPack> (&z)[kGates],
                              Pack<float, kPack> (&brought)[1]) const {
    Made<kPack> made{{}, known.h, known.h, known.c};
    if (!known.masked) {
#pragma unroll
      for (int g = 0; g < kGates; g++) made.values[g] = activated(of(g), plus(known.x[g].wide(xw.narrow), z[g]));
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        made.c.v[k] = lstm_cell({made.values[0].v[k], made.values[1].v[k], made.values[2].v[k], made.values[3].v[k]},
                                known.c.v[k]);
      }
      made.h = times(activated(activation, made.c), made.values[3]);
    }
    brought[0] = times(made.h, known.keep);
    return made;
  }

  template <int kPack>
  __device__ void store(int turn, const Units<kPack>& here, const Made<kPack>& made) const {
    const bool last = turn + 1 == turns();
    const int64_t t = s.input(turn), units = s.units;
    store_to(at_step(h_prev, t, units), here.over_time(), made.h_before);
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      store_to(at_step(gates, t, kGates * units), here.over_time(kGates, g), made.values[g]);
    }
    store_to(at_step(cells, t, units), here.over_time(), made.c);
    store_to(at_step(y, s.result(turn), units), here.over_time(), made.h);
    store_to(last ? h : h_state, here.at(), made.h);
    store_to(last ? c : c_state, here.at(), made.c);
  }
};

struct Backward : Lstm {
  static constexpr bool kBackward = true;
  Stored gates, dy, dxw;         // dy: or none
  const float *cells, *dh, *dc;  // the last two: or null
  float *dh0, *dc0;              // or null
  // Of the workspace; past: the state's gradient past masked steps, or null; d: [batch, 4, units], of a turn's step.
  float *past = nullptr, *c_state = nullptr;
  Alternating d = {};

  __host__ __device__ int turns() const { return s.steps + (dh0 != nullptr ? 1 : 0); }
  __host__ __device__ const float* operand(int turn) const { return turn == 0 ? nullptr : d(turn - 1); }
  __device__ float* next(int turn) const { return d(turn); }

  template <int kPack>
  struct Known {
    StateGradient<kPack> state;
    StoredPack<kPack> values[kGates];
    Pack<float, kPack> dc, c, c_before;
    bool masked;
  };
  template <int kPack>
  struct Made {
    Pack<float, kPack> dz[kGates], dh, dc;  // dh: past the cell
  };

  template <int kPack>
  __device__ Known<kPack> fetch(int turn, const Units<kPack>& here) const {
    const int64_t i = s.steps - 1 - turn, t = s.input(i), units = s.units;
    Known<kPack> known{};
    known.state = StateGradient<kPack>::fetch(here, turn == 0 ? dh : past, keep,
                                              i < 0 ? Stored{} : at_step(dy, s.result(i), units));
    if (i < 0) return known;
    known.dc = load_or<kPack>(turn == 0 ? dc : c_state, here.at(), 0.f);
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      known.values[g] = load_stored<kPack>(at_step(gates, t, kGates * units), here.over_time(kGates, g));
    }
    known.c = load_pack<kPack>(at_step(cells, t, units) + here.over_time());
    known.c_before = i == 0 ? load_or<kPack>(c0, here.at(), 0.f)
                            : load_pack<kPack>(at_step(cells, s.input(i - 1), units) + here.over_time());
    known.masked = here.masked(at_step(mask, t, 1));
    return known;
  }

  template <int kPack>
  __device__ Made<kPack> make(int turn, const Known<kPack>& known, const Pack<float, kPack> (&z)[1],
                              Pack<float, kPack> (&brought)[kGates]) const {
    const Pack<float, kPack> dh_here = known.state.with(z[0], dy.narrow);
    Made<kPack> made{{}, dh_here, known.dc};
    if (turn == s.steps) return made;
    if (!known.masked) {
      const Pack<float, kPack> a = activated(activation, known.c);
      Pack<float, kPack> values[kGates];
#pragma unroll
      for (int g = 0; g < kGates; g++) values[g] = known.values[g].wide(gates.narrow);
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        const LstmGates v{values[0].v[k], values[1].v[k], values[2].v[k], values[3].v[k]};
        const float slope = cell_slope(activation, a.v[k]);
        const LstmGradient by = lstm_gradient(v, known.c_before.v[k], a.v[k], slope, dh_here.v[k], known.dc.v[k]);
        made.dz[0].v[k] = by.gates.i;
        made.dz[1].v[k] = by.gates.f;
        made.dz[2].v[k] = by.gates.g;
        made.dz[3].v[k] = by.gates.o;
        made.dc.v[k] = by.c_prev;
      }
#pragma unroll
      for (int g = 0; g < kGates; g++) made.dz[g] = through(of(g), made.dz[g], values[g]);
      made.dh = zeros<kPack>();
    }
#pragma unroll
    for (int g = 0; g < kGates; g++) brought[g] = made.dz[g];
    return made;
  }

  template <int kPack>
  __device__ void store(int turn, const Units<kPack>& here, const Made<kPack>& made) const {
    const int64_t i = s.steps - 1 - turn;
    if (i < 0) {
      store_pack(dh0 + here.at(), made.dh);
      return;
    }
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      store_to(at_step(dxw, s.input(i), kGates * int64_t{s.units}), here.over_time(kGates, g), made.dz[g]);
    }
    store_to(past, here.at(), made.dh);
    store_to(i == 0 ? dc0 : c_state, here.at(), made.dc);
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

Step forward(Prepare& prepare, const LstmArgs& args, TurnForm form) {
  const Forward f{
      common(prepare, args, args.xw), stored(prepare, args.xw), stored(prepare, args.y), stored(prepare, args.gates),
      stored(prepare, args.h_prev),   prepare.at(args.h),       prepare.at(args.c),      prepare.at(args.cells)};
  Scratch scratch(prepare);
  const Turns<Forward> turns(prepare, scratch, f.s, precision_of(args), form);
  const int64_t state = static_cast<int64_t>(f.s.batch) * f.s.units;
  const bool apart = keeps_state(f, form);
  const size_t h = scratch.array(apart ? state : 0), c = scratch.array(state), even = scratch.array(state),
               odd = scratch.array(state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    Forward run = f;
    run.h_state = apart ? scratch.at(h) : nullptr;
    run.c_state = scratch.at(c);
    run.met = {scratch.at(even), scratch.at(odd)};
    if (run.h0 && run.keep) multiply_state(stream, run.s, run.h0, run.keep, run.met.even);
    turns.run(stream, scratch, run);
  };
}

Step backward(Prepare& prepare, const LstmDxArgs& args, TurnForm form) {
  const Backward b{common(prepare, args, args.gates),
                   stored(prepare, args.gates),
                   stored(prepare, args.dy),
                   stored(prepare, args.dxw),
                   prepare.at(args.cells),
                   prepare.at(args.dh),
                   prepare.at(args.dc),
                   prepare.at(args.dh0),
                   prepare.at(args.dc0)};
  Scratch scratch(prepare);
  const Turns<Backward> turns(prepare, scratch, b.s, precision_of(args), form);
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

}  // namespace

Step lstm(Prepare& prepare, const LstmArgs& args) {
  return fastest_form<Forward>(prepare, args.gates.present() ? "lstm" : "lstm alone", sequence_of(args, args.xw),
                               precision_of(args), args.u,
                               [=](Prepare& p, TurnForm form) { return forward(p, args, form); },
                               {args.y, args.h, args.c, args.gates, args.cells, args.h_prev});
}

Step lstm_dx(Prepare& prepare, const LstmDxArgs& args) {
  return fastest_form<Backward>(prepare, "lstm_dx", sequence_of(args, args.gates), precision_of(args), args.u,
                                [=](Prepare& p, TurnForm form) { return backward(p, args, form); },
                                {args.dxw, args.dh0, args.dc0});
}

}  // namespace gradstep::cuda
