// simpleRnn and its gradient on the CPU, a time step after the other: the product of the state with the packed
// recurrent kernel for 64 units at a time, then the activation while they are in the cache.
#include "generated/args/simple_rnn.h"

#include "cpu/recurrence.h"

namespace gradstep::cpu {
namespace {

struct SimpleRnn : Recurrence {
  CellActivation activation;
  RecurrentProduct product;
  // h, and what is added to its product; backward: the gradient of h, and h itself.
  Local state{}, value{};
};

struct Forward : SimpleRnn {
  Stored xw, h0;  // read
  Stored y, h, h_prev;

  // One step of up to kRows rows and 16 units, whose products lie in z.
  void step(float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    float* hs = state.at(block, row);
    add_to(z, value.at(block, row), size);
    activate(activation, z, size);
    masked_rows(row, s.input(i), n, [&](int64_t r) { memcpy(z + r, hs + r, kLanes * sizeof(float)); });
    memcpy(hs, z, size * sizeof(float));
    feed(product.operands[(i + 1) % 2], state, block, row, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 2);
    read(state, all_of(h0), share);
    share.everybody();
    for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
      row_blocks(share, [&](int64_t row, int64_t n) { feed(product.operands[0], state, block, row, n); });
    }
    share.meet();
    for (int64_t i = 0; i < s.steps; i++) {
      write(step_of(h_prev, s.input(i)), state, share);
      read(value, step_of(xw, s.input(i)), share);
      if (i + 1 < s.steps) fetch(step_of(xw, s.input(i + 1)), 1, share);
      share.meet();
      product.each_block(product.operands[i % 2], s, share,
                         [&](float* z, int64_t row, int64_t n, int64_t block) { step(z, i, row, n, block); });
      share.meet();
      write(step_of(y, s.result(i)), state, share);
    }
    write(all_of(h), state, share);
  }
};

struct Backward : SimpleRnn {
  Stored y, dy, dh;  // read
  Stored dxw, dh0;

  // One step: the gradient by its sum; of the state's gradient stays what goes past the cell.
  void step(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    float *dhs = state.at(block, row), *dz = value.at(block, row);
    alignas(64) float by_h[kBlock], h_now[kBlock];
    memcpy(by_h, dhs, size * sizeof(float));
    memcpy(h_now, dz, size * sizeof(float));
    memcpy(dz, by_h, size * sizeof(float));
    multiply_by_slope(activation, dz, h_now, size);
    memset(dhs, 0, size * sizeof(float));
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(dhs + r, by_h + r, kLanes * sizeof(float));
      memset(dz + r, 0, kLanes * sizeof(float));
    });
    product.operands[0].store(row, block * kLanes, dz, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 1);
    read(state, all_of(dh), share);
    share.everybody();
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      read(value, step_of(y, s.result(i)), share);
      add(state, step_of(dy, s.result(i)), share);
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) step(i, row, n, block);
      });
      write(step_of(dxw, s.input(i)), value, share);
      if (i > 0) {
        fetch(step_of(y, s.result(i - 1)), 1, share);
        fetch(step_of(dy, s.result(i - 1)), 1, share);
      }
      share.meet();
      if (i > 0 || dh0) spread(product, state, share);
      share.meet();
    }
    write(all_of(dh0), state, share);
  }
};

template <typename Args>
SimpleRnn common(Prepare& prepare, const Args& args, const Tensor& over_time, StepProduct::Form form) {
  const int64_t units = args.u.dims[0];
  return {{steps_of<Args>(args, over_time, units), prepare.at(args.u), prepare.at(args.mask), prepare.at(args.keep)},
          static_cast<CellActivation>(args.activation),
          RecurrentProduct(form, units, 1, 0, 1, args.precision == Args::kPrecisionBfloat16)};
}

// Lays what is local and the product out in the workspace; the team that runs it.
Team place(Prepare& prepare, SimpleRnn& rnn, int operands) {
  const Team team(rnn.s, 1, rnn.product.product.packed_bytes(), prepare.threads());
  place_all(prepare, rnn.s, team, {&rnn.state, &rnn.value}, {{&rnn.product, operands}});
  return team;
}

}  // namespace

Step simple_rnn(Prepare& prepare, const SimpleRnnArgs& args) {
  Forward f{common(prepare, args, args.xw, StepProduct::kGates),
            stored(prepare, args.xw),
            stored(prepare, args.h0),
            stored(prepare, args.y),
            stored(prepare, args.h),
            stored(prepare, args.h_prev)};
  const Team team = place(prepare, f, 2);
  return [f, team] { run_team(f.s, team, [&](const Share& share) { f.run(share); }); };
}

Step simple_rnn_dx(Prepare& prepare, const SimpleRnnDxArgs& args) {
  Backward b{common(prepare, args, args.y, StepProduct::kTransposed),
             stored(prepare, args.y),
             stored(prepare, args.dy),
             stored(prepare, args.dh),
             stored(prepare, args.dxw),
             stored(prepare, args.dh0)};
  const Team team = place(prepare, b, 1);
  return [b, team] { run_team(b.s, team, [&](const Share& share) { b.run(share); }); };
}

}  // namespace gradstep::cpu
