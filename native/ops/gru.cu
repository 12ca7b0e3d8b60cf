// gru and its gradient on CUDA. Where the reset gate comes after the product, by turns (recurrence.cuh); where it comes
// before, a step has two products, each with columns of the recurrent kernel, and a launch behind each.
#include "generated/args/gru.h"
#include "ops/gru.cuh"
#include "ops/recurrence_forms.cuh"

namespace gradstep::cuda {
namespace {

// z: [batch, 2, units], or null: zeros.
template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_gates_kernel(GruForward run, int turn, const float* z) {
  const Units<kPack> here(run.s);
  if (!here.inside) return;
  const Pack<float, kPack> products[2] = {load_or<kPack>(z, here.at(2, 0), 0.f), load_or<kPack>(z, here.at(2, 1), 0.f)};
  run.settle_gates(here, run.fetch(turn, here), products);
}

// z: [batch, units], or null: zeros; as in all that follows.
template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_candidate_kernel(GruForward run, int turn, const float* z) {
  const Units<kPack> here(run.s);
  if (here.inside) run.settle_candidate(turn, here, run.fetch(turn, here), load_or<kPack>(z, here.at(), 0.f));
}

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_gradient_kernel(GruBackward run, int turn, const float* z) {
  const Units<kPack> here(run.s);
  if (!here.inside) return;
  const Pack<float, kPack> products[1] = {load_or<kPack>(z, here.at(), 0.f)};
  Pack<float, kPack> brought[Gru::kGates] = {};
  const auto made = run.make<kPack, false>(turn, run.fetch(turn, here), products, brought);
  if (turn + 1 < run.turns()) store_pack(run.next(turn) + here.at(2, 0), brought[0]);
  run.store<kPack, false>(turn, here, made);
}

// met: to which the product of the gates' gradients is added.
template <int kPack>
__global__ void __launch_bounds__(kUnitThreads)
    gru_reset_gradient_kernel(GruBackward run, int turn, const float* z, float* met) {
  const Units<kPack> here(run.s);
  if (here.inside) store_pack(met + here.at(), run.finish_reset(turn, here, load_pack<kPack>(z + here.at())));
}

// The two products of a step where the reset gate comes before.
class BeforeProducts {
 public:
  BeforeProducts(Scratch& scratch, const Sequence& s, bool backward, Precision precision) {
    const int64_t units = s.units, gates = 2 * units, columns = Gru::kGates * units;
    GemmShape of_gates =
        step_product(s, backward ? units : gates, backward ? gates : units, backward, columns, precision);
    of_gates.accumulate = backward;
    gates_ = scratch.product(of_gates);
    candidate_ = scratch.product(step_product(s, units, units, backward, columns, precision));
  }
  void of_gates(cudaStream_t stream, const Scratch& scratch, const Gru& g, const float* operand, float* z) const {
    gates_(stream, operand, g.u, nullptr, z, scratch.for_products());
  }
  void of_candidate(cudaStream_t stream, const Scratch& scratch, const Gru& g, const float* operand, float* z) const {
    candidate_(stream, operand, g.u + 2 * g.s.units, nullptr, z, scratch.for_products());
  }

 private:
  Gemm::Run gates_, candidate_;
};

template <typename Args>
Gru common(const Prepare& prepare, const Args& args, const Tensor& over_time) {
  return {sequence_of(args, over_time),
          static_cast<CellActivation>(args.activation),
          static_cast<CellActivation>(args.recurrent_activation),
          prepare.at(args.u),
          prepare.at(args.h0),
          prepare.at(args.mask),
          prepare.at(args.keep)};
}

int64_t state_floats(const Sequence& s) { return static_cast<int64_t>(s.batch) * s.units; }

// Places of the forward state.
struct StatePlaces {
  bool apart;
  size_t h, even, odd;

  StatePlaces(Scratch& scratch, const GruForward& f, TurnForm form)
      : apart(keeps_state(f, form)),
        h(scratch.array(apart ? state_floats(f.s) : 0)),
        even(scratch.array(state_floats(f.s))),
        odd(scratch.array(state_floats(f.s))) {}

  // The run with them, its first operand made.
  GruForward begin(cudaStream_t stream, const Scratch& scratch, GruForward run) const {
    run.h_state = apart ? scratch.at(h) : nullptr;
    run.met = {scratch.at(even), scratch.at(odd)};
    if (run.h0 && run.keep) multiply_state(stream, run.s, run.h0, run.keep, run.met.even);
    return run;
  }
};

Step forward_after(Prepare& prepare, const GruForward& f, Precision precision, TurnForm form) {
  Scratch scratch(prepare);
  const Turns<GruForward> turns(prepare, scratch, f.s, precision, form);
  const StatePlaces state(scratch, f, form);
  scratch.settle();
  return [=](cudaStream_t stream) { turns.run(stream, scratch, state.begin(stream, scratch, f)); };
}

Step forward_before(Prepare& prepare, const GruForward& f, Precision precision) {
  Scratch scratch(prepare);
  const BeforeProducts products(scratch, f.s, false, precision);
  const StatePlaces state(scratch, f, TurnForm::kSteps);
  const size_t z = scratch.array(2 * state_floats(f.s)), settled = scratch.array(2 * state_floats(f.s)),
               reset = scratch.array(state_floats(f.s));
  scratch.settle();
  return [=](cudaStream_t stream) {
    GruForward run = state.begin(stream, scratch, f);
    run.settled = scratch.at(settled);
    run.reset = scratch.at(reset);
    const auto gates = for_units(run.s, gru_gates_kernel<1>, gru_gates_kernel<4>);
    const auto candidate = for_units(run.s, gru_candidate_kernel<1>, gru_candidate_kernel<4>);
    for (int turn = 0; turn < run.turns(); turn++) {
      const float* operand = run.operand(turn);
      float* const to = operand ? scratch.at(z) : nullptr;
      if (operand) products.of_gates(stream, scratch, run, operand, to);
      launch(stream, gates, unit_blocks(run.s), dim3(kUnitThreads), run, turn, to);
      if (operand) products.of_candidate(stream, scratch, run, run.reset, to);
      launch(stream, candidate, unit_blocks(run.s), dim3(kUnitThreads), run, turn, to);
    }
  };
}

Step backward_after(Prepare& prepare, const GruBackward& b, Precision precision, TurnForm form) {
  Scratch scratch(prepare);
  const Turns<GruBackward> turns(prepare, scratch, b.s, precision, form);
  const int64_t state = state_floats(b.s);
  const size_t past = scratch.array(state), even = scratch.array(Gru::kGates * state),
               odd = scratch.array(Gru::kGates * state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    GruBackward run = b;
    run.past = scratch.at(past);
    run.d = {scratch.at(even), scratch.at(odd)};
    turns.run(stream, scratch, run);
  };
}

Step backward_before(Prepare& prepare, const GruBackward& b, Precision precision) {
  Scratch scratch(prepare);
  const BeforeProducts products(scratch, b.s, true, precision);
  const int64_t state = state_floats(b.s);
  const size_t past = scratch.array(state), d = scratch.array(2 * state), candidate = scratch.array(state),
               by_reset = scratch.array(state), met = scratch.array(state);
  scratch.settle();
  return [=](cudaStream_t stream) {
    GruBackward run = b;
    run.past = scratch.at(past);
    run.d = {scratch.at(d), scratch.at(d)};
    run.candidate = scratch.at(candidate);
    const auto gradient = for_units(run.s, gru_gradient_kernel<1>, gru_gradient_kernel<4>);
    const auto reset = for_units(run.s, gru_reset_gradient_kernel<1>, gru_reset_gradient_kernel<4>);
    for (int turn = 0; turn < run.turns(); turn++) {
      if (turn > 0) products.of_gates(stream, scratch, run, run.operand(turn), scratch.at(met));
      launch(stream, gradient, unit_blocks(run.s), dim3(kUnitThreads), run, turn, turn > 0 ? scratch.at(met) : nullptr);
      if (turn == run.s.steps) continue;
      products.of_candidate(stream, scratch, run, run.candidate, scratch.at(by_reset));
      launch(stream, reset, unit_blocks(run.s), dim3(kUnitThreads), run, turn, scratch.at(by_reset), scratch.at(met));
    }
  };
}

GruForward forward_run(const Prepare& prepare, const GruArgs& args) {
  return {common(prepare, args, args.xw), stored(prepare, args.xw),    stored(prepare, args.y),
          stored(prepare, args.gates),    stored(prepare, args.inner), stored(prepare, args.h_prev),
          prepare.at(args.bias),          prepare.at(args.h)};
}

GruBackward backward_run(const Prepare& prepare, const GruDxArgs& args) {
  return {common(prepare, args, args.gates), stored(prepare, args.gates), stored(prepare, args.inner),
          stored(prepare, args.h_prev),      stored(prepare, args.dy),    stored(prepare, args.dxw),
          stored(prepare, args.dhw),         prepare.at(args.dh),         prepare.at(args.dh0)};
}

}  // namespace

Step gru(Prepare& prepare, const GruArgs& args) {
  const Precision precision = precision_of(args);
  if (args.reset == GruArgs::kResetBefore) return forward_before(prepare, forward_run(prepare, args), precision);
  return fastest_form<GruForward>(
      prepare, args.gates.present() ? "gru" : "gru alone", sequence_of(args, args.xw), precision, args.u,
      [=](Prepare& p, TurnForm form) { return forward_after(p, forward_run(p, args), precision, form); },
      {args.y, args.h, args.gates, args.inner, args.h_prev});
}

Step gru_dx(Prepare& prepare, const GruDxArgs& args) {
  const Precision precision = precision_of(args);
  if (args.reset == GruDxArgs::kResetBefore) return backward_before(prepare, backward_run(prepare, args), precision);
  return fastest_form<GruBackward>(
      prepare, "gru_dx", sequence_of(args, args.gates), precision, args.u,
      [=](Prepare& p, TurnForm form) { return backward_after(p, backward_run(p, args), precision, form); },
      {args.dxw, args.dhw, args.dh0});
}

}  // namespace gradstep::cuda
