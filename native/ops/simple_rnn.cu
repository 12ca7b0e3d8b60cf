// simpleRnn and its gradient on CUDA, two launches a step: the product of the state with the recurrent kernel, and the
// cell; as in lstm.cu.
#include "generated/args/simple_rnn.h"
#include "ops/recurrence.cuh"

namespace gradstep::cuda {
namespace {

struct SimpleStep {
  Sequence s;
  CellActivation activation;
  const float *xw, *z;       // z [batch, units]: the product; null: zeros
  const float *mask, *keep;  // or null
  const float* h_before;     // null: zeros
  float *h, *met;            // the new state, and h·keep; or null, as all that follows
  float *y, *h_prev;
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) simple_rnn_kernel(SimpleStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  Pack<float, kPack> h = load_or<kPack>(n.h_before, here.at(), 0.f);
  store_to(n.h_prev, here.over_time(), h);
  if (!here.masked(n.mask)) {
    const Pack<float, kPack> x = load_pack<kPack>(n.xw + here.over_time());
    h = activated(n.activation, plus(x, load_or<kPack>(n.z, here.at(), 0.f)));
  }
  store_to(n.y, here.over_time(), h);
  store_to(n.h, here.at(), h);
  if (n.met != nullptr) store_pack(n.met + here.at(), times(h, load_pack<kPack>(n.keep + here.at())));
}

struct SimpleGradientStep {
  Sequence s;
  CellActivation activation;
  const float *y, *mask;
  StateGradient dh;
  float *dxw, *d, *past;  // d [batch, units]: the product's operand; by the state, past the cell; or null
};

template <int kPack>
__global__ void __launch_bounds__(kUnitThreads) simple_rnn_gradient_kernel(SimpleGradientStep n) {
  const Units<kPack> here(n.s);
  if (!here.inside) return;
  const Pack<float, kPack> dh = n.dh.at(here);
  const bool masked = here.masked(n.mask);
  const Pack<float, kPack> d =
      masked ? zeros<kPack>() : through(n.activation, dh, load_pack<kPack>(n.y + here.over_time()));
  store_pack(n.dxw + here.over_time(), d);
  store_to(n.d, here.at(), d);
  store_to(n.past, here.at(), masked ? dh : zeros<kPack>());
}

struct Simple {
  Sequence s;
  CellActivation activation;
  const float *u, *h0, *mask, *keep;
  Gemm::Run product;
  Scratch scratch;
  size_t z, state, met;  // places of arrays
};

struct Forward : Simple {
  const float* xw;
  float *y, *h, *h_prev;

  void run(cudaStream_t stream) const {
    const auto kernel = for_units(s, simple_rnn_kernel<1>, simple_rnn_kernel<4>);
    if (h0 && keep) multiply_state(stream, s, h0, keep, scratch.at(met));
    for (int64_t i = 0; i < s.steps; i++) {
      const bool last = i == s.steps - 1;
      const int64_t t = s.input(i);
      SimpleStep n{};
      n.s = s;
      n.activation = activation;
      n.h_before = i == 0 ? h0 : scratch.at(state);
      if (n.h_before) {
        product(stream, keep ? scratch.at(met) : n.h_before, u, nullptr, scratch.at(z), scratch.for_products());
        n.z = scratch.at(z);
      }
      n.xw = at_step(xw, t, s.units);
      n.mask = at_step(mask, t, 1);
      n.keep = keep;
      n.h = last ? h : scratch.at(state);
      n.met = keep && !last ? scratch.at(met) : nullptr;
      n.y = at_step(y, s.result(i), s.units);
      n.h_prev = at_step(h_prev, t, s.units);
      launch(stream, kernel, unit_blocks(s), dim3(kUnitThreads), n);
    }
  }
};

struct Backward : Simple {
  const float *y, *dy, *dh;
  float *dxw, *dh0;

  void run(cudaStream_t stream) const {
    const auto kernel = for_units(s, simple_rnn_gradient_kernel<1>, simple_rnn_gradient_kernel<4>);
    float *const d = scratch.at(z), *const past = mask ? scratch.at(state) : nullptr,
                 *const through_product = scratch.at(met);
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      const bool last = i == s.steps - 1, multiplies = i > 0 || dh0;
      const int64_t t = s.input(i), result = s.result(i);
      SimpleGradientStep n{};
      n.s = s;
      n.activation = activation;
      n.y = at_step(y, result, s.units);
      n.mask = at_step(mask, t, 1);
      n.dh = {last ? dh : past, last ? nullptr : through_product, keep, at_step(dy, result, s.units)};
      n.dxw = at_step(dxw, t, s.units);
      n.d = multiplies ? d : nullptr;
      n.past = multiplies ? past : nullptr;
      launch(stream, kernel, unit_blocks(s), dim3(kUnitThreads), n);
      if (multiplies) product(stream, d, u, nullptr, through_product, scratch.for_products());
    }
    if (dh0) first_state(stream, s, {past, through_product, keep, nullptr}, dh0);
  }
};

template <typename Args>
Simple common(Prepare& prepare, const Args& args, const Tensor& over_time, bool transposed) {
  const Sequence s = sequence_of(args, over_time);
  const int64_t floats = static_cast<int64_t>(s.batch) * s.units;
  Scratch scratch(prepare);
  const size_t z = scratch.array(floats), state = scratch.array(floats), met = scratch.array(floats);
  const Gemm::Run product = scratch.product(
      step_product(s, s.units, s.units, transposed, s.units, args.precision == Args::kPrecisionBfloat16));
  scratch.settle();
  return {s,
          static_cast<CellActivation>(args.activation),
          prepare.at(args.u),
          prepare.at(args.h0),
          prepare.at(args.mask),
          prepare.at(args.keep),
          product,
          scratch,
          z,
          state,
          met};
}

}  // namespace

Step simple_rnn(Prepare& prepare, const SimpleRnnArgs& args) {
  const Forward f{common(prepare, args, args.xw, false), prepare.at(args.xw), prepare.at(args.y), prepare.at(args.h),
                  prepare.at(args.h_prev)};
  return [f](cudaStream_t stream) { f.run(stream); };
}

Step simple_rnn_dx(Prepare& prepare, const SimpleRnnDxArgs& args) {
  const Backward b{common(prepare, args, args.y, true),
                   prepare.at(args.y),
                   prepare.at(args.dy),
                   prepare.at(args.dh),
                   prepare.at(args.dxw),
                   prepare.at(args.dh0)};
  return [b](cudaStream_t stream) { b.run(stream); };
}

}  // namespace gradstep::cuda
