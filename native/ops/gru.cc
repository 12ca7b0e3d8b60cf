// gru and its gradient on the CPU, a time step after the other. Where the reset gate comes after the product, one
// product of the state with the packed recurrent kernel yields what all three gates of 16 units need; where it comes
// before, the candidate's product follows in a second round. Gradient: the cell's arithmetic first, then the products
// with the transposed kernel. Arrays over time are [batch, step, …], read and written in place, row by row.
#include "ops/gru.h"

#include "cpu/recurrence.h"
#include "generated/args/gru.h"

namespace gradstep::cpu {
namespace {

constexpr int kGates = 3;  // z, r and the candidate

// to += r · inner
GRADSTEP_VECTORISED void add_product(float* to, const float* r, const float* inner, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] += r[i] * inner[i];
}

GRADSTEP_VECTORISED void mix(float* h, const float* z, const float* candidate, const float* h_prev, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) h[i] = gru_state(z[i], candidate[i], h_prev[i]);
}

// dz and dc: by the values of z and the candidate; carried: what z passes on to the state before.
GRADSTEP_VECTORISED void mix_gradients(float* dz, float* dc, float* carried, const float* z, const float* candidate,
                                       const float* h_prev, const float* dh, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const GruGradient d = gru_gradient(z[i], candidate[i], h_prev[i], dh[i]);
    dz[i] = d.z;
    dc[i] = d.candidate;
    carried[i] = d.carried;
  }
}

struct Gru : Recurrence {
  CellActivation activation, recurrent;
  bool before;
  RecurrentProduct product;    // of all gates; `before`: of z and r
  RecurrentProduct candidate;  // `before`: of the candidate
  Local gate{kGates};
  // h, and what the candidate got of it; backward: the gradient of h, h of the step before, and what the candidate got.
  Local state{}, inner_part{}, previous{};
  Local reset_gate{};  // backward: r, when the gates have become their gradients

  float* z_of(int64_t block, int64_t row) const { return gate.at(block, row, 0); }
  float* r_of(int64_t block, int64_t row) const { return gate.at(block, row, 1); }
  float* candidate_of(int64_t block, int64_t row) const { return gate.at(block, row, 2); }
};

struct Forward : Gru {
  const float* bias;
  Stored xw, h0;  // read
  Stored y, h, gates, inner, h_prev;

  void add_bias(float* z, int g, int64_t block, int64_t n) const {
    if (!bias) return;
    const float* b = bias + g * s.units + block * kLanes;
    for (int64_t r = 0; r < n; r++) add_to(z + r * kLanes, b, lanes(block));
  }

  void open(int g, int64_t row, int64_t n, int64_t block) const {
    activate(g == 2 ? activation : recurrent, gate.at(block, row, g), n * kLanes);
  }

  // The new state of some rows and 16 units, whose gates are open.
  void finish(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    float* hs = state.at(block, row);
    alignas(64) float h_new[kBlock];
    mix(h_new, z_of(block, row), candidate_of(block, row), hs, size);
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(h_new + r, hs + r, kLanes * sizeof(float));
      for (int g = 0; g < kGates; g++) memset(gate.at(block, row, g) + r, 0, kLanes * sizeof(float));
      memset(inner_part.at(block, row) + r, 0, kLanes * sizeof(float));
    });
    memcpy(hs, h_new, size * sizeof(float));
    feed(product.operands[(i + 1) % 2], state, block, row, n);
  }

  // One step of up to kRows rows and 16 units, whose products with all gates lie in z.
  void step_after(float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    float* within = inner_part.at(block, row);
    for (int g = 0; g < kGates; g++) add_bias(z + g * kBlock, g, block, n);
    for (int g = 0; g < 2; g++) {
      add_to(gate.at(block, row, g), z + g * kBlock, size);
      open(g, row, n, block);
    }
    memcpy(within, z + 2 * kBlock, size * sizeof(float));
    add_product(candidate_of(block, row), r_of(block, row), within, size);
    open(2, row, n, block);
    finish(i, row, n, block);
  }

  // The first round where the reset gate comes before the product: r times the state becomes the candidate's operand.
  void step_gates(const float* z, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    float* within = inner_part.at(block, row);
    for (int g = 0; g < 2; g++) {
      add_to(gate.at(block, row, g), z + g * kBlock, size);
      open(g, row, n, block);
    }
    memcpy(within, state.at(block, row), size * sizeof(float));
    multiply_by_keep(within, block, row, n);
    multiply_by(within, r_of(block, row), size);
    if (lanes(block) < kLanes) {
      for (int64_t r = 0; r < n; r++) std::fill(within + r * kLanes + lanes(block), within + (r + 1) * kLanes, 0.f);
    }
    candidate.operands[0].store(row, block * kLanes, within, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 2);
    if (before) candidate.begin(u, s, share, 1);
    read(state, all_of(h0), share);
    share.everybody();
    for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
      row_blocks(share, [&](int64_t row, int64_t n) { feed(product.operands[0], state, block, row, n); });
    }
    share.meet();
    alignas(64) float z[kGates * kBlock];
    for (int64_t i = 0; i < s.steps; i++) {
      const int64_t input = s.input(i);
      write(step_of(h_prev, input), state, share);
      read(gate, step_of(xw, input, kGates), share);
      if (i + 1 < s.steps) fetch(step_of(xw, s.input(i + 1), kGates), kGates, share);
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
          product.product.multiply(product.packed, product.operands[i % 2].row(row), n, block, z, kBlock);
          if (before) {
            step_gates(z, row, n, block);
          } else {
            step_after(z, i, row, n, block);
          }
        }
      });
      share.meet();
      if (before) {
        candidate.each_block(candidate.operands[0], s, share, [&](float* c, int64_t row, int64_t n, int64_t block) {
          add_to(candidate_of(block, row), c, n * kLanes);
          open(2, row, n, block);
          finish(i, row, n, block);
        });
        share.meet();
      }
      write(step_of(gates, input, kGates), gate, share);
      write(step_of(inner, input), inner_part, share);
      write(step_of(y, s.result(i)), state, share);
    }
    write(all_of(h), state, share);
  }
};

struct Backward : Gru {
  Stored gates, inner, h_prev, dy, dh;  // read
  Stored dxw, dhw, dh0;

  // The cells of one step: gradients by the gates; of the state's gradient stays what z carries past the cell.
  void step(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    float *dhs = state.at(block, row), *within = inner_part.at(block, row);
    alignas(64) float dz[kGates * kBlock], by_h[kBlock], carried[kBlock];
    memcpy(by_h, dhs, size * sizeof(float));
    mix_gradients(dz, dz + 2 * kBlock, carried, z_of(block, row), candidate_of(block, row), previous.at(block, row),
                  by_h, size);
    multiply_by_slope(recurrent, dz, z_of(block, row), size);
    multiply_by_slope(activation, dz + 2 * kBlock, candidate_of(block, row), size);
    // r's own gradient; `before` it follows in the next round.
    memset(dz + kBlock, 0, size * sizeof(float));
    if (!before) {
      memcpy(dz + kBlock, dz + 2 * kBlock, size * sizeof(float));
      multiply_by(dz + kBlock, within, size);
      multiply_by_slope(recurrent, dz + kBlock, r_of(block, row), size);
    }
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(carried + r, by_h + r, kLanes * sizeof(float));
      for (int g = 0; g < kGates; g++) memset(dz + g * kBlock + r, 0, kLanes * sizeof(float));
    });
    memcpy(dhs, carried, size * sizeof(float));
    memcpy(reset_gate.at(block, row), r_of(block, row), size * sizeof(float));
    for (int g = 0; g < kGates; g++) memcpy(gate.at(block, row, g), dz + g * kBlock, size * sizeof(float));
    product.operands[0].store(row, block * kLanes, dz, n);
    if (before) {
      candidate.operands[0].store(row, block * kLanes, dz + 2 * kBlock, n);
      return;
    }
    multiply_by(dz + 2 * kBlock, reset_gate.at(block, row), size);
    memcpy(within, dz + 2 * kBlock, size * sizeof(float));
    for (int g = 1; g < kGates; g++) {
      product.operands[0].store(row, g * padded(s.units) + block * kLanes, dz + g * kBlock, n);
    }
  }

  // `before`: q is the gradient by r times the state that met the kernel.
  void reset(float* q, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    const float* r = reset_gate.at(block, row);
    float* dr = r_of(block, row);
    multiply_by_keep(q, block, row, n);
    memcpy(dr, previous.at(block, row), size * sizeof(float));
    multiply_by(dr, q, size);
    multiply_by_slope(recurrent, dr, r, size);
    multiply_by(q, r, size);
    add_to(state.at(block, row), q, size);
    product.operands[0].store(row, padded(s.units) + block * kLanes, dr, n);
  }

  // By what the state added to xw: as by xw, but for the candidate.
  void write_added(int64_t step, const Share& share) const {
    StepRows rows = step_of(dhw, step, kGates);
    write(rows, gate, share);
    rows.at += 2 * s.units;
    write(rows, inner_part, share);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 1);
    if (before) candidate.begin(u, s, share, 1);
    read(state, all_of(dh), share);
    share.everybody();
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      const int64_t input = s.input(i);
      read(gate, step_of(gates, input, kGates), share);
      read(inner_part, step_of(inner, input), share);
      read(previous, step_of(h_prev, input), share);
      add(state, step_of(dy, s.result(i)), share);
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) step(i, row, n, block);
      });
      share.meet();
      if (before) {
        candidate.each_block(candidate.operands[0], s, share,
                             [&](float* q, int64_t row, int64_t n, int64_t block) { reset(q, row, n, block); });
        share.meet();
      }
      write(step_of(dxw, input, kGates), gate, share);
      write_added(input, share);
      if (i > 0) {
        fetch(step_of(gates, s.input(i - 1), kGates), kGates, share);
        fetch(step_of(inner, s.input(i - 1)), 1, share);
        fetch(step_of(h_prev, s.input(i - 1)), 1, share);
        fetch(step_of(dy, s.result(i - 1)), 1, share);
      }
      if (i > 0 || dh0) spread(product, state, share);
      share.meet();
    }
    write(all_of(dh0), state, share);
  }
};

template <typename Args>
Gru common(Prepare& prepare, const Args& args, const Tensor& over_time, StepProduct::Form form) {
  const int64_t units = args.u.dims[0];
  const bool before = args.reset == Args::kResetBefore, bfloat16 = args.precision == Args::kPrecisionBfloat16;
  return {{steps_of<Args>(args, over_time, units), prepare.at(args.u), prepare.at(args.mask), prepare.at(args.keep)},
          static_cast<CellActivation>(args.activation),
          static_cast<CellActivation>(args.recurrent_activation),
          before,
          RecurrentProduct(form, units, kGates, 0, before ? 2 : kGates, bfloat16),
          RecurrentProduct(form, units, kGates, 2, 1, bfloat16)};
}

// Lays what is local and the products out in the workspace; the team that runs them.
Team place(Prepare& prepare, Gru& gru, int operands) {
  const Team team(gru.s, kGates, gru.product.product.packed_bytes(), prepare.threads());
  place_all(prepare, gru.s, team, {&gru.gate, &gru.state, &gru.inner_part, &gru.previous, &gru.reset_gate},
            {{&gru.product, operands}, {&gru.candidate, gru.before ? 1 : 0}});
  return team;
}

}  // namespace

Step gru(Prepare& prepare, const GruArgs& args) {
  Forward f{common(prepare, args, args.xw, StepProduct::kGates),
            prepare.at(args.bias),
            stored(prepare, args.xw),
            stored(prepare, args.h0),
            stored(prepare, args.y),
            stored(prepare, args.h),
            stored(prepare, args.gates),
            stored(prepare, args.inner),
            stored(prepare, args.h_prev)};
  const Team team = place(prepare, f, 2);
  return [f, team] { run_team(f.s, team, [&](const Share& share) { f.run(share); }); };
}

Step gru_dx(Prepare& prepare, const GruDxArgs& args) {
  Backward b{common(prepare, args, args.gates, StepProduct::kTransposed),
             stored(prepare, args.gates),
             stored(prepare, args.inner),
             stored(prepare, args.h_prev),
             stored(prepare, args.dy),
             stored(prepare, args.dh),
             stored(prepare, args.dxw),
             stored(prepare, args.dhw),
             stored(prepare, args.dh0)};
  const Team team = place(prepare, b, 1);
  return [b, team] { run_team(b.s, team, [&](const Share& share) { b.run(share); }); };
}

}  // namespace gradstep::cpu
