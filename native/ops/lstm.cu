// lstm and its gradient on CUDA, two launches a step: the product of the state with the recurrent kernel, and the cell.
// Forward the cell follows the product, which the first step needs only where a state is given; backward it comes
// first, and the first step's product is made only where the initial state's gradient is wanted. gates may lie in xw's
// memory and dxw in gates': a thread reads what it overwrites.
#include "cuda/prepare.h"
#include "generated/args/lstm.h"
#include "ops/lstm.h"
#include "ops/recurrence.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kGates = 4;

struct Cell {
  CellActivation activation, recurrent;

  __device__ CellActivation of(int gate) const { return gate == 2 ? activation : recurrent; }
};

struct LstmStep {
  Sequence s;
  Cell cell;
  const float *xw, *z;               // z [batch, 4, units]: the product; null: zeros
  const float *mask, *keep;          // or null
  const float *h_before, *c_before;  // null: zeros
  float *h, *c, *met;                // the new state, and h·keep; or null, as all that follows
  float *y, *gates, *cells, *h_prev;
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) lstm_kernel(LstmStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  Pack<float, kPack> h = load_or<kPack>(n.h_before, here.at(), 0.f), c = load_or<kPack>(n.c_before, here.at(), 0.f);
  store_to(n.h_prev, here.over_time(), h);
  Pack<float, kPack> gates[kGates] = {};
  if (!here.masked(n.mask)) {
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      const Pack<float, kPack> x = load_pack<kPack>(n.xw + here.over_time(kGates, g));
      gates[g] = activated(n.cell.of(g), plus(x, load_or<kPack>(n.z, here.at(kGates, g), 0.f)));
    }
#pragma unroll
    for (int k = 0; k < kPack; k++)
      c.v[k] = lstm_cell({gates[0].v[k], gates[1].v[k], gates[2].v[k], gates[3].v[k]}, c.v[k]);
    h = times(activated(n.cell.activation, c), gates[3]);
  }
  if (n.gates != nullptr) {
#pragma unroll
    for (int g = 0; g < kGates; g++) store_pack(n.gates + here.over_time(kGates, g), gates[g]);
  }
  store_to(n.cells, here.over_time(), c);
  store_to(n.y, here.over_time(), h);
  store_to(n.h, here.at(), h);
  store_to(n.c, here.at(), c);
  if (n.met != nullptr) store_pack(n.met + here.at(), times(h, load_pack<kPack>(n.keep + here.at())));
}

struct LstmGradientStep {
  Sequence s;
  Cell cell;
  const float *gates, *cells;
  const float* c_before;  // null: zeros; its rows are `c_row` floats apart
  int64_t c_row;
  const float* mask;
  StateGradient dh;
  const float* dc;  // null: zeros
  float* dxw;
  float *d, *past, *dc_before;  // [batch, 4, units], the product's operand; by the state, past the cell; or null
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) lstm_gradient_kernel(LstmGradientStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  const Pack<float, kPack> dh = n.dh.at(here);
  Pack<float, kPack> dc = load_or<kPack>(n.dc, here.at(), 0.f);
  Pack<float, kPack> d[kGates] = {};
  const bool masked = here.masked(n.mask);
  if (!masked) {
    Pack<float, kPack> gates[kGates];
#pragma unroll
    for (int g = 0; g < kGates; g++) gates[g] = load_pack<kPack>(n.gates + here.over_time(kGates, g));
    const Pack<float, kPack> a = activated(n.cell.activation, load_pack<kPack>(n.cells + here.over_time()));
    const Pack<float, kPack> before = load_or<kPack>(n.c_before, here.row * n.c_row + here.unit, 0.f);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      const LstmGates z{gates[0].v[k], gates[1].v[k], gates[2].v[k], gates[3].v[k]};
      const float slope = cell_slope(n.cell.activation, a.v[k]);
      const LstmGradient by = lstm_gradient(z, before.v[k], a.v[k], slope, dh.v[k], dc.v[k]);
      d[0].v[k] = by.gates.i;
      d[1].v[k] = by.gates.f;
      d[2].v[k] = by.gates.g;
      d[3].v[k] = by.gates.o;
      dc.v[k] = by.c_prev;
    }
#pragma unroll
    for (int g = 0; g < kGates; g++) d[g] = through(n.cell.of(g), d[g], gates[g]);
  }
#pragma unroll
  for (int g = 0; g < kGates; g++) {
    store_pack(n.dxw + here.over_time(kGates, g), d[g]);
    store_to(n.d, here.at(kGates, g), d[g]);
  }
  store_to(n.past, here.at(), masked ? dh : zeros<kPack>());
  store_to(n.dc_before, here.at(), dc);
}

struct Lstm {
  Sequence s;
  Cell cell;
  const float *u, *h0, *c0, *mask, *keep;
  Gemm::Run product;
  Scratch scratch;
  size_t z, h_state, c_state, met;  // places of arrays
};

struct Forward : Lstm {
  const float* xw;
  float *y, *h, *c, *gates, *cells, *h_prev;

  void run(cudaStream_t stream) const {
    const auto kernel = for_units(s, lstm_kernel<1>, lstm_kernel<4>);
    const int64_t units = s.units;
    if (h0 && keep) multiply_state(stream, s, h0, keep, scratch.at(met));
    for (int64_t i = 0; i < s.steps; i++) {
      const bool first = i == 0, last = i == s.steps - 1;
      const int64_t t = s.input(i);
      LstmStep n{};
      n.s = s;
      n.cell = cell;
      n.h_before = first ? h0 : scratch.at(h_state);
      n.c_before = first ? c0 : scratch.at(c_state);
      if (n.h_before) {
        product(stream, keep ? scratch.at(met) : n.h_before, u, nullptr, scratch.at(z), scratch.for_products());
        n.z = scratch.at(z);
      }
      n.xw = at_step(xw, t, kGates * units);
      n.mask = at_step(mask, t, 1);
      n.keep = keep;
      n.h = last ? h : scratch.at(h_state);
      n.c = last ? c : scratch.at(c_state);
      n.met = keep && !last ? scratch.at(met) : nullptr;
      n.y = at_step(y, s.result(i), units);
      n.gates = at_step(gates, t, kGates * units);
      n.cells = at_step(cells, t, units);
      n.h_prev = at_step(h_prev, t, units);
      launch(stream, kernel, unit_blocks(s), dim3(kUnitThreads), n);
    }
  }
};

struct Backward : Lstm {
  const float *gates, *cells, *dy, *dh, *dc;
  float *dxw, *dh0, *dc0;

  void run(cudaStream_t stream) const {
    const auto kernel = for_units(s, lstm_gradient_kernel<1>, lstm_gradient_kernel<4>);
    const int64_t units = s.units;
    float *const d = scratch.at(z), *const past = mask ? scratch.at(h_state) : nullptr,
                 *const through_product = scratch.at(met);
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      const bool first = i == 0, last = i == s.steps - 1;
      const int64_t t = s.input(i);
      LstmGradientStep n{};
      n.s = s;
      n.cell = cell;
      n.gates = at_step(gates, t, kGates * units);
      n.cells = at_step(cells, t, units);
      n.c_before = first ? c0 : at_step(cells, s.input(i - 1), units);
      n.c_row = first ? units : s.steps * units;
      n.mask = at_step(mask, t, 1);
      n.dh = {last ? dh : past, last ? nullptr : through_product, keep, at_step(dy, s.result(i), units)};
      n.dc = last ? dc : scratch.at(c_state);
      n.dxw = at_step(dxw, t, kGates * units);
      const bool multiplies = !first || dh0;
      n.d = multiplies ? d : nullptr;
      n.past = multiplies ? past : nullptr;
      n.dc_before = first ? dc0 : scratch.at(c_state);
      launch(stream, kernel, unit_blocks(s), dim3(kUnitThreads), n);
      if (multiplies) product(stream, d, u, nullptr, through_product, scratch.for_products());
    }
    if (dh0) first_state(stream, s, {past, through_product, keep, nullptr}, dh0);
  }
};

template <typename Args>
Lstm common(Prepare& prepare, const Args& args, const Tensor& over_time, bool transposed) {
  const Sequence s = sequence_of(args, over_time);
  const int64_t state = static_cast<int64_t>(s.batch) * s.units, wide = kGates * int64_t{s.units};
  Scratch scratch(prepare);
  const size_t z = scratch.array(kGates * state), h_state = scratch.array(state), c_state = scratch.array(state),
               met = scratch.array(state);
  const Gemm::Run product = scratch.product(step_product(s, transposed ? s.units : wide, transposed ? wide : s.units,
                                                         transposed, wide, args.precision == Args::kPrecisionBfloat16));
  scratch.settle();
  return {s,
          {static_cast<CellActivation>(args.activation), static_cast<CellActivation>(args.recurrent_activation)},
          prepare.at(args.u),
          prepare.at(args.h0),
          prepare.at(args.c0),
          prepare.at(args.mask),
          prepare.at(args.keep),
          product,
          scratch,
          z,
          h_state,
          c_state,
          met};
}

}  // namespace

Step lstm(Prepare& prepare, const LstmArgs& args) {
  const Forward f{common(prepare, args, args.xw, false),
                  prepare.at(args.xw),
                  prepare.at(args.y),
                  prepare.at(args.h),
                  prepare.at(args.c),
                  prepare.at(args.gates),
                  prepare.at(args.cells),
                  prepare.at(args.h_prev)};
  return [f](cudaStream_t stream) { f.run(stream); };
}

Step lstm_dx(Prepare& prepare, const LstmDxArgs& args) {
  const Backward b{common(prepare, args, args.gates, true),
                   prepare.at(args.gates),
                   prepare.at(args.cells),
                   prepare.at(args.dy),
                   prepare.at(args.dh),
                   prepare.at(args.dc),
                   prepare.at(args.dxw),
                   prepare.at(args.dh0),
                   prepare.at(args.dc0)};
  return [b](cudaStream_t stream) { b.run(stream); };
}

}  // namespace gradstep::cuda
