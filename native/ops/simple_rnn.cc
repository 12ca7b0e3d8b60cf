// simpleRnn and its gradient on the CPU, a time step after the other: the product of the state with the packed recurrent
// kernel for 64 units at a time, then the activation while they are in the cache. Arrays over time are [batch, step,
// units], read and written in place, row by row.
#include "generated/args/simple_rnn.h"

#include "cpu/recurrence.h"

namespace gradstep::cpu {
namespace {

struct SimpleRnn : Recurrence {
  CellActivation activation;
  State state;  // forward: h; backward: its gradient
  RecurrentProduct product;
};

struct Forward : SimpleRnn {
  const float *xw, *h0;
  float *y, *h, *h_prev;

  // One step of up to kRows rows and 16 units, whose products lie in z.
  void step(float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block);
    const int64_t stride = s.steps * s.units, input = at(row, s.input(i)) * s.units + unit;
    float* hs = state.at(block, row);
    if (h_prev) scatter(h_prev + input, stride, hs, n, there);
    gather_add(z, xw + input, stride, n, there);
    activate(activation, z, size);
    masked_rows(row, s.input(i), n, [&](int64_t r) { memcpy(z + r, hs + r, kLanes * sizeof(float)); });
    memcpy(hs, z, size * sizeof(float));
    if (y) scatter(y + at(row, s.result(i)) * s.units + unit, stride, z, n, there);
    feed(product.operands[(i + 1) % 2], state, block, row, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 2);
    load(state, h0, share);
    share.everybody();
    for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
      row_blocks(share, [&](int64_t row, int64_t n) { feed(product.operands[0], state, block, row, n); });
    }
    share.meet();
    const Range panels = share.units(product.product.panels());
    const int vectors = product.product.vectors();
    alignas(64) float z[4 * kBlock];
    for (int64_t i = 0; i < s.steps; i++) {
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
          product.product.multiply(product.packed, product.operands[i % 2].row(row), n, panel, z, kBlock);
          for (int v = 0; v < vectors && panel * vectors + v < s.blocks(); v++) {
            step(z + v * kBlock, i, row, n, panel * vectors + v);
          }
        }
      });
      share.meet();
    }
    save(h, state, share);
  }
};

struct Backward : SimpleRnn {
  const float *y, *dy, *dh;
  float *dxw, *dh0;

  void step(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block);
    const int64_t stride = s.steps * s.units, result = at(row, s.result(i)) * s.units + unit;
    float* dhs = state.at(block, row);
    alignas(64) float value[kBlock], dz[kBlock], by_h[kBlock];
    memcpy(by_h, dhs, size * sizeof(float));
    if (dy) gather_add(by_h, dy + result, stride, n, there);
    memcpy(dz, by_h, size * sizeof(float));
    gather(value, y + result, stride, n, there);
    multiply_by_slope(activation, dz, value, size);
    memset(dhs, 0, size * sizeof(float));
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(dhs + r, by_h + r, kLanes * sizeof(float));
      memset(dz + r, 0, kLanes * sizeof(float));
    });
    scatter(dxw + at(row, s.input(i)) * s.units + unit, stride, dz, n, there);
    product.operands[0].store(row, unit, dz, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 1);
    load(state, dh, share);
    share.everybody();
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) step(i, row, n, block);
      });
      share.meet();
      if (i > 0 || dh0) spread(product, state, share);
      share.meet();
    }
    save(dh0, state, share);
  }
};

template <typename Args>
SimpleRnn common(Prepare& prepare, const Args& args, const Tensor& over_time, StepProduct::Form form) {
  const int64_t units = args.u.dims[0];
  return {{steps_of<Args>(args, over_time, units), prepare.at(args.u), prepare.at(args.mask), prepare.at(args.keep)},
          static_cast<CellActivation>(args.activation),
          {},
          RecurrentProduct(form, units, 1, 0, 1, args.precision == Args::kPrecisionBfloat16)};
}

// Lays the state and the product out in the workspace; the team that runs it.
Team place(Prepare& prepare, SimpleRnn& rnn, int operands) {
  const Team team(rnn.s, 1, rnn.product.product.packed_bytes(), prepare.threads());
  place_all(prepare, rnn.s, team.threads, {&rnn.state}, {{&rnn.product, operands}});
  return team;
}

}  // namespace

Step simple_rnn(Prepare& prepare, const SimpleRnnArgs& args) {
  Forward f{common(prepare, args, args.xw, StepProduct::kGates),
            prepare.at(args.xw),
            prepare.at(args.h0),
            prepare.at(args.y),
            prepare.at(args.h),
            prepare.at(args.h_prev)};
  const Team team = place(prepare, f, 2);
  return [f, team] { team.run(f.s, [&f](const Share& share) { f.run(share); }); };
}

Step simple_rnn_dx(Prepare& prepare, const SimpleRnnDxArgs& args) {
  Backward b{common(prepare, args, args.y, StepProduct::kTransposed),
             prepare.at(args.y),
             prepare.at(args.dy),
             prepare.at(args.dh),
             prepare.at(args.dxw),
             prepare.at(args.dh0)};
  const Team team = place(prepare, b, 1);
  return [b, team] { team.run(b.s, [&b](const Share& share) { b.run(share); }); };
}

}  // namespace gradstep::cpu
