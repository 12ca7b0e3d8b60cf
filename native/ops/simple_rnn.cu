// simpleRnn and its gradient on CUDA: the cell of a turn (recurrence.cuh). Arrays over time may be stored in bfloat16.
#include "cuda/prepare.h"
#include "generated/args/simple_rnn.h"
#include "ops/recurrence_forms.cuh"

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
  Stored xw;
  Stored y, h_prev;  // or none
  float* h;          // or null
  // Of the workspace; h_state: null where it is what meets the kernel; met: that, at a turn.
  float* h_state = nullptr;
  Alternating met = {};

  __host__ __device__ int turns() const { return s.steps; }
  __host__ __device__ const float* operand(int turn) const {
    return turn > 0 || (h0 != nullptr && keep != nullptr) ? met(turn) : h0;
  }
  __device__ float* next(int turn) const { return met(turn + 1); }

  template <int kPack>
  struct Known {
    StoredPack<kPack> x;
    Pack<float, kPack> h, keep;
    bool masked;
  };
  template <int kPack>
  struct Made {
    Pack<float, kPack> h_before, h;
  };

  template <int kPack>
  __device__ Known<kPack> fetch(int turn, const Units<kPack>& here) const {
    const int64_t t = s.input(turn);
    return {load_stored<kPack>(at_step(xw, t, s.units), here.over_time()),
            load_or<kPack>(turn == 0 ? h0 : (h_state ? h_state : met(turn)), here.at(), 0.f),
            load_or<kPack>(keep, here.at(), 1.f), here.masked(at_step(mask, t, 1))};
  }

  template <int kPack>
  __device__ Made<kPack> make(int, const Known<kPack>& known, const Pack<float, kPack> (&z)[1],
                              Pack<float, kPack> (&brought)[1]) const {
    Made<kPack> made{known.h, known.h};
    if (!known.masked) made.h = activated(activation, plus(known.x.wide(xw.narrow), z[0]));
    brought[0] = times(made.h, known.keep);
    return made;
  }

  template <int kPack>
  __device__ void store(int turn, const Units<kPack>& here, const Made<kPack>& made) const {
    store_to(at_step(h_prev, s.input(turn), s.units), here.over_time(), made.h_before);
    store_to(at_step(y, s.result(turn), s.units), here.over_time(), made.h);
    store_to(turn + 1 == turns() ? h : h_state, here.at(), made.h);
  }
};

struct Backward : Simple {
  static constexpr bool kBackward = true;
  Stored y, dy, dxw;  // dy: or none
  const float* dh;    // or null
  float* dh0;         // or null
  // Of the workspace; past: the state's gradient past masked steps, or null; d: of a turn's step.
  float* past = nullptr;
  Alternating d = {};

  __host__ __device__ int turns() const { return s.steps + (dh0 != nullptr ? 1 : 0); }
  __host__ __device__ const float* operand(int turn) const { return turn == 0 ? nullptr : d(turn - 1); }
  __device__ float* next(int turn) const { return d(turn); }

  template <int kPack>
  struct Known {
    StateGradient<kPack> state;
    StoredPack<kPack> y;
    bool masked;
  };
  template <int kPack>
  struct Made {
    Pack<float, kPack> dz, dh;  // dh: past the cell
  };

  template <int kPack>
  __device__ Known<kPack> fetch(int turn, const Units<kPack>& here) const {
    const int64_t i = s.steps - 1 - turn, units = s.units;
    const float* const came_past = turn == 0 ? dh : past;
    if (i < 0) return {StateGradient<kPack>::fetch(here, came_past, keep, {}), {}, false};
    return {StateGradient<kPack>::fetch(here, came_past, keep, at_step(dy, s.result(i), units)),
            load_stored<kPack>(at_step(y, s.result(i), units), here.over_time()),
            here.masked(at_step(mask, s.input(i), 1))};
  }

  template <int kPack>
  __device__ Made<kPack> make(int turn, const Known<kPack>& known, const Pack<float, kPack> (&z)[1],
                              Pack<float, kPack> (&brought)[1]) const {
    Made<kPack> made{{}, known.state.with(z[0], dy.narrow)};
    if (turn == s.steps) return made;
    if (!known.masked) {
      made.dz = through(activation, made.dh, known.y.wide(y.narrow));
      made.dh = zeros<kPack>();
    }
    brought[0] = made.dz;
    return made;
  }

  template <int kPack>
  __device__ void store(int turn, const Units<kPack>& here, const Made<kPack>& made) const {
    const int64_t i = s.steps - 1 - turn;
    if (i < 0) {
      store_pack(dh0 + here.at(), made.dh);
      return;
    }
    store_to(at_step(dxw, s.input(i), s.units), here.over_time(), made.dz);
    store_to(past, here.at(), made.dh);
  }
};

template <typename Args>
Simple common(const Prepare& prepare, const Args& args, const Tensor& over_time) {
  return {sequence_of(args, over_time), static_cast<CellActivation>(args.activation),
          prepare.at(args.u),           prepare.at(args.h0),
          prepare.at(args.mask),        prepare.at(args.keep)};
}

Step forward(Prepare& prepare, const SimpleRnnArgs& args, TurnForm form) {
  const Forward f{common(prepare, args, args.xw), stored(prepare, args.xw), stored(prepare, args.y),
                  stored(prepare, args.h_prev), prepare.at(args.h)};
  Scratch scratch(prepare);
  const Turns<Forward> turns(prepare, scratch, f.s, precision_of(args), form);
  const int64_t state = static_cast<int64_t>(f.s.batch) * f.s.units;
  const bool apart = keeps_state(f, form);
  const size_t h = scratch.array(apart ? state : 0), even = scratch.array(state), odd = scratch.array(state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    Forward run = f;
    run.h_state = apart ? scratch.at(h) : nullptr;
    run.met = {scratch.at(even), scratch.at(odd)};
    if (run.h0 && run.keep) multiply_state(stream, run.s, run.h0, run.keep, run.met.even);
    turns.run(stream, scratch, run);
  };
}

Step backward(Prepare& prepare, const SimpleRnnDxArgs& args, TurnForm form) {
  const Backward b{common(prepare, args, args.y), stored(prepare, args.y), stored(prepare, args.dy),
                   stored(prepare, args.dxw),     prepare.at(args.dh),     prepare.at(args.dh0)};
  Scratch scratch(prepare);
  const Turns<Backward> turns(prepare, scratch, b.s, precision_of(args), form);
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

}  // namespace

Step simple_rnn(Prepare& prepare, const SimpleRnnArgs& args) {
  return fastest_form<Forward>(prepare, args.h_prev.present() ? "simple_rnn" : "simple_rnn alone",
                               sequence_of(args, args.xw), precision_of(args), args.u,
                               [=](Prepare& p, TurnForm form) { return forward(p, args, form); },
                               {args.y, args.h, args.h_prev});
}

Step simple_rnn_dx(Prepare& prepare, const SimpleRnnDxArgs& args) {
  return fastest_form<Backward>(prepare, "simple_rnn_dx", sequence_of(args, args.y), precision_of(args), args.u,
                                [=](Prepare& p, TurnForm form) { return backward(p, args, form); },
                                {args.dxw, args.dh0});
}

}  // namespace gradstep::cuda
