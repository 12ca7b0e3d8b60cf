// gru and its gradient on CUDA, products on the GEMM seam and a launch of the cell behind them, as in lstm.cu. Where
// the reset gate comes `after` the product, a step has one of each. Where it comes `before`, the gates must be known
// before the candidate's product: two of each, with columns of the recurrent kernel. gates may lie in xw's memory and
// dxw in gates': a thread reads what it overwrites, and no launch overwrites what a later one reads.
#include "cuda/prepare.h"
#include "generated/args/gru.h"
#include "ops/gru.h"
#include "ops/recurrence.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kGates = 3;

struct Cell {
  CellActivation activation, recurrent;
};

struct GruStep {
  Sequence s;
  Cell cell;
  const float *xw, *bias;    // bias [3, units]; or null
  const float* z;            // after: products of all gates [batch, 3, units]; before: of the candidate; null: zeros
  const float *mask, *keep;  // or null
  const float* h_before;     // null: zeros
  const float* known;        // before: z and r, activated, [batch, 2, units]
  float *h, *met;            // the new state, and h·keep; or null, as all that follows
  float *y, *gates, *inner, *h_prev;
};

// The state mixed with the candidate, and all that is kept of the step.
template <int kPack>
__device__ inline void finish(const GruStep& n, const Units<kPack>& here, Pack<float, kPack> h,
                              const Pack<float, kPack> (&gates)[kGates], bool masked) {
  store_to(n.h_prev, here.over_time(), h);
  if (!masked) {
#pragma unroll
    for (int k = 0; k < kPack; k++) h.v[k] = gru_state(gates[0].v[k], gates[2].v[k], h.v[k]);
  }
  if (n.gates != nullptr) {
#pragma unroll
    for (int g = 0; g < kGates; g++) store_pack(n.gates + here.over_time(kGates, g), gates[g]);
  }
  store_to(n.y, here.over_time(), h);
  store_to(n.h, here.at(), h);
  if (n.met != nullptr) store_pack(n.met + here.at(), times(h, load_pack<kPack>(n.keep + here.at())));
}

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_after_kernel(GruStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  const Pack<float, kPack> h = load_or<kPack>(n.h_before, here.at(), 0.f);
  Pack<float, kPack> gates[kGates] = {}, inner = {};
  const bool masked = here.masked(n.mask);
  if (!masked) {
    Pack<float, kPack> by_state[kGates];
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      by_state[g] =
          plus(load_or<kPack>(n.z, here.at(kGates, g), 0.f), load_or<kPack>(n.bias, g * here.units + here.unit, 0.f));
      gates[g] = load_pack<kPack>(n.xw + here.over_time(kGates, g));
    }
    inner = by_state[2];
    gates[0] = activated(n.cell.recurrent, plus(gates[0], by_state[0]));
    gates[1] = activated(n.cell.recurrent, plus(gates[1], by_state[1]));
    gates[2] = activated(n.cell.activation, plus(gates[2], times(gates[1], inner)));
  }
  store_to(n.inner, here.over_time(), inner);
  finish(n, here, h, gates, masked);
}

struct GruGatesStep {
  Sequence s;
  Cell cell;
  const float *xw, *z;  // z [batch, 2, units]: the product; null: zeros. `known` may be the same memory
  const float *mask, *keep, *h_before;
  float *known, *reset;  // [batch, 2, units]; [batch, units]: r·h·keep
  float* inner;          // the same over time; or null
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_gates_kernel(GruGatesStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  Pack<float, kPack> gates[2] = {}, reset = {};
  if (!here.masked(n.mask)) {
#pragma unroll
    for (int g = 0; g < 2; g++) {
      const Pack<float, kPack> x = load_pack<kPack>(n.xw + here.over_time(kGates, g));
      gates[g] = activated(n.cell.recurrent, plus(x, load_or<kPack>(n.z, here.at(2, g), 0.f)));
    }
    const Pack<float, kPack> h = load_or<kPack>(n.h_before, here.at(), 0.f);
    reset = times(gates[1], times(h, load_or<kPack>(n.keep, here.at(), 1.f)));
  }
  store_pack(n.known + here.at(2, 0), gates[0]);
  store_pack(n.known + here.at(2, 1), gates[1]);
  store_pack(n.reset + here.at(), reset);
  store_to(n.inner, here.over_time(), reset);
}

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_before_kernel(GruStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  const Pack<float, kPack> h = load_or<kPack>(n.h_before, here.at(), 0.f);
  Pack<float, kPack> gates[kGates] = {
      load_pack<kPack>(n.known + here.at(2, 0)), load_pack<kPack>(n.known + here.at(2, 1)), {}};
  const bool masked = here.masked(n.mask);
  if (!masked) {
    const Pack<float, kPack> x = load_pack<kPack>(n.xw + here.over_time(kGates, 2));
    gates[2] = activated(n.cell.activation, plus(x, load_or<kPack>(n.z, here.at(), 0.f)));
  }
  finish(n, here, h, gates, masked);
}

struct GruGradientStep {
  Sequence s;
  Cell cell;
  const float *gates, *inner, *h_prev, *mask;
  StateGradient dh;
  float *dxw, *dhw;  // dhw: or null
  float* d;          // after: [batch, 3, units], before: [batch, 2, units], of which r's part comes later; or null
  float* candidate;  // before: [batch, units]
  float* past;       // by the state, past the product; or null
};

template <int kPack, bool kAfter>
__global__ void __launch_bounds__(kUnitThreads) gru_gradient_kernel(GruGradientStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  const Pack<float, kPack> dh = n.dh.at(here);
  Pack<float, kPack> d[kGates] = {}, by_product = {}, past = dh;
  if (!here.masked(n.mask)) {
    Pack<float, kPack> gates[kGates];
#pragma unroll
    for (int g = 0; g < kGates; g++) gates[g] = load_pack<kPack>(n.gates + here.over_time(kGates, g));
    const Pack<float, kPack> h = load_pack<kPack>(n.h_prev + here.over_time());
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const GruGradient by = gru_gradient(gates[0].v[k], gates[2].v[k], h.v[k], dh.v[k]);
      d[0].v[k] = by.z;
      d[2].v[k] = by.candidate;
      past.v[k] = by.carried;
    }
    d[0] = through(n.cell.recurrent, d[0], gates[0]);
    d[2] = through(n.cell.activation, d[2], gates[2]);
    if constexpr (kAfter) {
      d[1] = through(n.cell.recurrent, times(d[2], load_pack<kPack>(n.inner + here.over_time())), gates[1]);
      by_product = times(d[2], gates[1]);
    }
  }
  store_pack(n.dxw + here.over_time(kGates, 0), d[0]);
  store_pack(n.dxw + here.over_time(kGates, 2), d[2]);
  store_to(n.past, here.at(), past);
  if constexpr (kAfter) {
    store_pack(n.dxw + here.over_time(kGates, 1), d[1]);
    d[2] = by_product;
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      store_to(n.dhw, here.over_time(kGates, g), d[g]);
      store_to(n.d, here.at(kGates, g), d[g]);
    }
  } else {
    store_to(n.d, here.at(2, 0), d[0]);
    store_pack(n.candidate + here.at(), d[2]);
  }
}

struct GruResetStep {
  Sequence s;
  Cell cell;
  const float *gates, *h_prev, *keep;
  const float* by_reset;  // [batch, units]: by r·h·keep
  float *dxw, *d, *met;   // d as above; met [batch, units]: what goes on, by h·keep; both or neither null
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) gru_reset_gradient_kernel(GruResetStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  const Pack<float, kPack> d = load_pack<kPack>(n.by_reset + here.at());
  const Pack<float, kPack> r = load_pack<kPack>(n.gates + here.over_time(kGates, 1));
  const Pack<float, kPack> met =
      times(load_pack<kPack>(n.h_prev + here.over_time()), load_or<kPack>(n.keep, here.at(), 1.f));
  const Pack<float, kPack> dr = through(n.cell.recurrent, times(d, met), r);
  store_pack(n.dxw + here.over_time(kGates, 1), dr);
  store_to(n.d, here.at(2, 1), dr);
  store_to(n.met, here.at(), times(d, r));
}

struct Gru {
  Sequence s;
  Cell cell;
  bool after;
  const float *u, *h0, *mask, *keep;
  Gemm::Run product, candidate_product;  // the second: before only
  Scratch scratch;
  size_t z, candidate, known, state, met;  // places of arrays

  const float* candidate_kernel() const { return u + 2 * s.units; }
};

struct Forward : Gru {
  const float *xw, *bias;
  float *y, *h, *gates, *inner, *h_prev;

  // What a step's gates come to where the reset gate needs them beforehand.
  void settle_gates(cudaStream_t stream, const GruStep& n, const float* products, int64_t t) const {
    GruGatesStep g{};
    g.s = s;
    g.cell = cell;
    g.xw = n.xw;
    g.z = products;
    g.mask = n.mask;
    g.keep = keep;
    g.h_before = n.h_before;
    g.known = scratch.at(known);
    g.reset = scratch.at(candidate);
    g.inner = at_step(inner, t, s.units);
    launch(stream, for_units(s, gru_gates_kernel<1>, gru_gates_kernel<4>), unit_blocks(s), dim3(kUnitThreads), g);
  }

  void run(cudaStream_t stream) const {
    const auto kernel = after ? for_units(s, gru_after_kernel<1>, gru_after_kernel<4>)
                              : for_units(s, gru_before_kernel<1>, gru_before_kernel<4>);
    const int64_t units = s.units;
    if (h0 && keep) multiply_state(stream, s, h0, keep, scratch.at(met));
    for (int64_t i = 0; i < s.steps; i++) {
      const bool last = i == s.steps - 1;
      const int64_t t = s.input(i);
      GruStep n{};
      n.s = s;
      n.cell = cell;
      n.xw = at_step(xw, t, kGates * units);
      n.bias = bias;
      n.mask = at_step(mask, t, 1);
      n.keep = keep;
      n.h_before = i == 0 ? h0 : scratch.at(state);
      n.h = last ? h : scratch.at(state);
      n.met = keep && !last ? scratch.at(met) : nullptr;
      n.y = at_step(y, s.result(i), units);
      n.gates = at_step(gates, t, kGates * units);
      n.inner = at_step(inner, t, units);
      n.h_prev = at_step(h_prev, t, units);
      const float* products = nullptr;
      if (n.h_before) {
        const float* operand = keep ? scratch.at(met) : n.h_before;
        product(stream, operand, u, nullptr, scratch.at(z), scratch.for_products());
        products = scratch.at(z);
      }
      if (after) {
        n.z = products;
      } else {
        settle_gates(stream, n, products, t);
        n.known = scratch.at(known);
        if (products) {
          candidate_product(stream, scratch.at(candidate), candidate_kernel(), nullptr, scratch.at(z),
                            scratch.for_products());
          n.z = scratch.at(z);
        }
      }
      launch(stream, kernel, unit_blocks(s), dim3(kUnitThreads), n);
    }
  }
};

struct Backward : Gru {
  const float *gates, *inner, *h_prev, *dy, *dh;
  float *dxw, *dhw, *dh0;

  void run(cudaStream_t stream) const {
    const auto kernel = after ? for_units(s, gru_gradient_kernel<1, true>, gru_gradient_kernel<4, true>)
                              : for_units(s, gru_gradient_kernel<1, false>, gru_gradient_kernel<4, false>);
    const auto reset_kernel = for_units(s, gru_reset_gradient_kernel<1>, gru_reset_gradient_kernel<4>);
    const int64_t units = s.units;
    float *const d = scratch.at(z), *const past = scratch.at(state), *const through_product = scratch.at(met);
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      const bool last = i == s.steps - 1, multiplies = i > 0 || dh0;
      const int64_t t = s.input(i);
      GruGradientStep n{};
      n.s = s;
      n.cell = cell;
      n.gates = at_step(gates, t, kGates * units);
      n.inner = at_step(inner, t, units);
      n.h_prev = at_step(h_prev, t, units);
      n.mask = at_step(mask, t, 1);
      n.dh = {last ? dh : past, last ? nullptr : through_product, keep, at_step(dy, s.result(i), units)};
      n.dxw = at_step(dxw, t, kGates * units);
      n.dhw = at_step(dhw, t, kGates * units);
      n.d = multiplies ? d : nullptr;
      n.candidate = scratch.at(candidate);
      n.past = multiplies ? past : nullptr;
      launch(stream, kernel, unit_blocks(s), dim3(kUnitThreads), n);
      if (!after) {
        float* const by_reset = scratch.at(known);
        candidate_product(stream, n.candidate, candidate_kernel(), nullptr, by_reset, scratch.for_products());
        const GruResetStep r{
            s, cell, n.gates, n.h_prev, keep, by_reset, n.dxw, n.d, multiplies ? through_product : nullptr};
        launch(stream, reset_kernel, unit_blocks(s), dim3(kUnitThreads), r);
      }
      if (multiplies) product(stream, d, u, nullptr, through_product, scratch.for_products());
    }
    if (dh0) first_state(stream, s, {past, through_product, keep, nullptr}, dh0);
  }
};

template <typename Args>
Gru common(Prepare& prepare, const Args& args, const Tensor& over_time, bool transposed) {
  const Sequence s = sequence_of(args, over_time);
  const bool after = args.reset == Args::kResetAfter, bfloat16 = args.precision == Args::kPrecisionBfloat16;
  const int64_t units = s.units, state = s.batch * units, wide = (after ? kGates : 2) * units;
  Scratch scratch(prepare);
  const size_t z = scratch.array(wide * s.batch), candidate = scratch.array(after ? 0 : state),
               known = scratch.array(after ? 0 : 2 * state), carried = scratch.array(state), met = scratch.array(state);
  // Backward, before: the product adds to what came through the reset gate.
  GemmShape shape =
      step_product(s, transposed ? units : wide, transposed ? wide : units, transposed, kGates * units, bfloat16);
  shape.accumulate = transposed && !after;
  const Gemm::Run product = scratch.product(shape);
  const Gemm::Run candidate_product =
      after ? Gemm::Run() : scratch.product(step_product(s, units, units, transposed, kGates * units, bfloat16));
  scratch.settle();
  return {s,
          {static_cast<CellActivation>(args.activation), static_cast<CellActivation>(args.recurrent_activation)},
          after,
          prepare.at(args.u),
          prepare.at(args.h0),
          prepare.at(args.mask),
          prepare.at(args.keep),
          product,
          candidate_product,
          scratch,
          z,
          candidate,
          known,
          carried,
          met};
}

}  // namespace

Step gru(Prepare& prepare, const GruArgs& args) {
  const Forward f{common(prepare, args, args.xw, false),
                  prepare.at(args.xw),
                  prepare.at(args.bias),
                  prepare.at(args.y),
                  prepare.at(args.h),
                  prepare.at(args.gates),
                  prepare.at(args.inner),
                  prepare.at(args.h_prev)};
  return [f](cudaStream_t stream) { f.run(stream); };
}

Step gru_dx(Prepare& prepare, const GruDxArgs& args) {
  const Backward b{common(prepare, args, args.gates, true),
                   prepare.at(args.gates),
                   prepare.at(args.inner),
                   prepare.at(args.h_prev),
                   prepare.at(args.dy),
                   prepare.at(args.dh),
                   prepare.at(args.dxw),
                   prepare.at(args.dhw),
                   prepare.at(args.dh0)};
  return [b](cudaStream_t stream) { b.run(stream); };
}

}  // namespace gradstep::cuda
