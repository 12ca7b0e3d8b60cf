// gru and its gradient on the CPU, a time step after the other. Where the reset gate comes after the product, one product
// of the state with the packed recurrent kernel yields what all three gates of 16 units need; where it comes before,
// the candidate's product follows in a second round. Gradient: the cell's arithmetic first, then the products with the
// transposed kernel. Arrays over time are [batch, step, …], read and written in place, row by row.
#include "ops/gru.h"

#include "cpu/recurrence.h"
#include "generated/args/gru.h"

namespace gradstep::cpu {
namespace {

constexpr int kGates = 3;  // z, r and the candidate

// to = x + r · inner
GRADSTEP_VECTORISED void add_product(float* to, const float* r, const float* inner, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] += r[i] * inner[i];
}

GRADSTEP_VECTORISED void multiply(float* y, const float* a, const float* b, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
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
  State state;                 // forward: h; backward: its gradient
  State updates, resets, met;  // `before`, between the rounds: z, r, and r times the state

  // Gate g of 16 units in [batch, step, 3 * units].
  int64_t wide_at(int64_t row, int64_t step, int g, int64_t unit) const {
    return (at(row, step) * kGates + g) * s.units + unit;
  }
};

struct Forward : Gru {
  const float *xw, *bias, *h0;
  float *y, *h, *gates, *inner, *h_prev;

  void add_bias(float* z, int g, int64_t block, int64_t n) const {
    if (bias) gather_add(z, bias + g * s.units + block * kLanes, 0, n, lanes(block));
  }

  // Gate g, whose products lie in z.
  void open(float* z, int g, int64_t i, int64_t row, int64_t n, int64_t block) const {
    gather_add(z, xw + wide_at(row, s.input(i), g, block * kLanes), kGates * s.steps * s.units, n, lanes(block));
    activate(g == 2 ? activation : recurrent, z, n * kLanes);
  }

  // The new state of up to kRows rows and 16 units: gates z, r and the candidate lie in z, kBlock apart; `within` is what
  // the candidate got of the state.
  void finish(float* z, float* within, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block);
    const int64_t stride = s.steps * s.units, input = at(row, s.input(i)) * s.units + unit;
    float* hs = state.at(block, row);
    alignas(64) float h_new[kBlock];
    if (h_prev) scatter(h_prev + input, stride, hs, n, there);
    mix(h_new, z, z + 2 * kBlock, hs, size);
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(h_new + r, hs + r, kLanes * sizeof(float));
      for (int g = 0; g < kGates; g++) memset(z + g * kBlock + r, 0, kLanes * sizeof(float));
      memset(within + r, 0, kLanes * sizeof(float));
    });
    memcpy(hs, h_new, size * sizeof(float));
    if (y) scatter(y + at(row, s.result(i)) * s.units + unit, stride, h_new, n, there);
    if (inner) scatter(inner + input, stride, within, n, there);
    for (int g = 0; gates && g < kGates; g++) {
      scatter(gates + wide_at(row, s.input(i), g, unit), kGates * stride, z + g * kBlock, n, there);
    }
    feed(product.operands[(i + 1) % 2], state, block, row, n);
  }

  void step_after(float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    alignas(64) float within[kBlock];
    for (int g = 0; g < kGates; g++) add_bias(z + g * kBlock, g, block, n);
    memcpy(within, z + 2 * kBlock, size * sizeof(float));
    for (int g = 0; g < 2; g++) open(z + g * kBlock, g, i, row, n, block);
    memset(z + 2 * kBlock, 0, size * sizeof(float));
    add_product(z + 2 * kBlock, z + kBlock, within, size);
    open(z + 2 * kBlock, 2, i, row, n, block);
    finish(z, within, i, row, n, block);
  }

  // First round: r times the state becomes the candidate's operand.
  void step_gates(float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block);
    alignas(64) float operand[kBlock];
    for (int g = 0; g < 2; g++) open(z + g * kBlock, g, i, row, n, block);
    memcpy(updates.at(block, row), z, size * sizeof(float));
    memcpy(operand, state.at(block, row), size * sizeof(float));
    if (keep) multiply_rows(operand, keep + row * s.units + unit, s.units, n, there);
    multiply(operand, operand, z + kBlock, size);
    if (there < kLanes) gather(operand, operand, kLanes, n, there);
    candidate.operands[0].store(row, unit, operand, n);
    memcpy(resets.at(block, row), z + kBlock, size * sizeof(float));
    memcpy(met.at(block, row), operand, size * sizeof(float));
  }

  void step_candidate(const float* product_of, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    alignas(64) float z[kGates * kBlock], within[kBlock];
    memcpy(z, updates.at(block, row), size * sizeof(float));
    memcpy(z + kBlock, resets.at(block, row), size * sizeof(float));
    memcpy(z + 2 * kBlock, product_of, size * sizeof(float));
    memcpy(within, met.at(block, row), size * sizeof(float));
    open(z + 2 * kBlock, 2, i, row, n, block);
    finish(z, within, i, row, n, block);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 2);
    if (before) candidate.begin(u, s, share, 1);
    load(state, h0, share);
    share.everybody();
    for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
      row_blocks(share, [&](int64_t row, int64_t n) { feed(product.operands[0], state, block, row, n); });
    }
    share.meet();
    alignas(64) float z[4 * kBlock];
    const Range panels = before ? share.units(candidate.product.panels()) : Range{0, 0};
    for (int64_t i = 0; i < s.steps; i++) {
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
          product.product.multiply(product.packed, product.operands[i % 2].row(row), n, block, z, kBlock);
          if (before) {
            step_gates(z, i, row, n, block);
          } else {
            step_after(z, i, row, n, block);
          }
        }
      });
      share.meet();
      if (!before) continue;
      const int vectors = candidate.product.vectors();
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
          candidate.product.multiply(candidate.packed, candidate.operands[0].row(row), n, panel, z, kBlock);
          for (int v = 0; v < vectors && panel * vectors + v < s.blocks(); v++) {
            step_candidate(z + v * kBlock, i, row, n, panel * vectors + v);
          }
        }
      });
      share.meet();
    }
    save(h, state, share);
  }
};

struct Backward : Gru {
  const float *gates, *inner, *h_prev, *dy, *dh;
  float *dxw, *dhw, *dh0;

  // The cells of one step: gradients by the gates; of the state's gradient stays what z carries past the cell.
  void step(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block), step = s.input(i);
    const int64_t stride = s.steps * s.units, input = at(row, step) * s.units + unit;
    float* dhs = state.at(block, row);
    alignas(64) float z[kGates * kBlock], dz[kGates * kBlock];
    alignas(64) float before_step[kBlock], within[kBlock], by_h[kBlock], carried[kBlock];
    memcpy(by_h, dhs, size * sizeof(float));
    if (dy) gather_add(by_h, dy + at(row, s.result(i)) * s.units + unit, stride, n, there);
    for (int g = 0; g < kGates; g++) gather(z + g * kBlock, gates + wide_at(row, step, g, unit), kGates * stride, n, there);
    gather(before_step, h_prev + input, stride, n, there);
    gather(within, inner + input, stride, n, there);
    mix_gradients(dz, dz + 2 * kBlock, carried, z, z + 2 * kBlock, before_step, by_h, size);
    multiply_by_slope(recurrent, dz, z, size);
    multiply_by_slope(activation, dz + 2 * kBlock, z + 2 * kBlock, size);
    if (!before) {
      multiply(dz + kBlock, dz + 2 * kBlock, within, size);
      multiply_by_slope(recurrent, dz + kBlock, z + kBlock, size);
    }
    masked_rows(row, step, n, [&](int64_t r) {
      memcpy(carried + r, by_h + r, kLanes * sizeof(float));
      for (int g = 0; g < kGates; g++) memset(dz + g * kBlock + r, 0, kLanes * sizeof(float));
    });
    memcpy(dhs, carried, size * sizeof(float));
    if (before) {
      // r's part follows once its gradient is known.
      scatter(dxw + wide_at(row, step, 0, unit), kGates * stride, dz, n, there);
      scatter(dxw + wide_at(row, step, 2, unit), kGates * stride, dz + 2 * kBlock, n, there);
      product.operands[0].store(row, unit, dz, n);
      candidate.operands[0].store(row, unit, dz + 2 * kBlock, n);
      memcpy(resets.at(block, row), z + kBlock, size * sizeof(float));
      return;
    }
    for (int g = 0; g < kGates; g++) {
      scatter(dxw + wide_at(row, step, g, unit), kGates * stride, dz + g * kBlock, n, there);
    }
    multiply(dz + 2 * kBlock, dz + 2 * kBlock, z + kBlock, size);
    for (int g = 0; g < kGates; g++) {
      if (dhw) scatter(dhw + wide_at(row, step, g, unit), kGates * stride, dz + g * kBlock, n, there);
      product.operands[0].store(row, g * padded(s.units) + unit, dz + g * kBlock, n);
    }
  }

  // `before`: q is the gradient by r times the state that met the kernel.
  void reset(float* q, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block), step = s.input(i);
    const int64_t stride = s.steps * s.units;
    const float* r = resets.at(block, row);
    alignas(64) float dr[kBlock], passed[kBlock];
    gather(dr, h_prev + at(row, step) * s.units + unit, stride, n, there);
    multiply(dr, dr, q, size);
    multiply(passed, q, r, size);
    if (keep) {
      multiply_rows(dr, keep + row * s.units + unit, s.units, n, there);
      multiply_rows(passed, keep + row * s.units + unit, s.units, n, there);
    }
    multiply_by_slope(recurrent, dr, r, size);
    gather_add(state.at(block, row), passed, kLanes, n, kLanes);
    scatter(dxw + wide_at(row, step, 1, unit), kGates * stride, dr, n, there);
    product.operands[0].store(row, padded(s.units) + unit, dr, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 1);
    if (before) candidate.begin(u, s, share, 1);
    load(state, dh, share);
    share.everybody();
    const Range panels = before ? share.units(candidate.product.panels()) : Range{0, 0};
    alignas(64) float q[4 * kBlock];
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) step(i, row, n, block);
      });
      share.meet();
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t panel = panels.begin; panel < panels.end; panel++) {
          const int vectors = candidate.product.vectors();
          candidate.product.multiply(candidate.packed, candidate.operands[0].row(row), n, panel, q, kBlock);
          for (int v = 0; v < vectors && panel * vectors + v < s.blocks(); v++) {
            reset(q + v * kBlock, i, row, n, panel * vectors + v);
          }
        }
      });
      share.meet();
      if (i > 0 || dh0) spread(product, state, share);
      share.meet();
    }
    save(dh0, state, share);
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
          RecurrentProduct(form, units, kGates, 2, 1, bfloat16),
          {},
          {},
          {},
          {}};
}

// Lays the states and products out in the workspace; the team that runs it.
Team place(Prepare& prepare, Gru& gru, int operands) {
  const Team team(gru.s, kGates, gru.product.product.packed_bytes(), prepare.threads());
  if (gru.before) {
    place_all(prepare, gru.s, team.threads, {&gru.state, &gru.updates, &gru.resets, &gru.met},
              {{&gru.product, operands}, {&gru.candidate, 1}});
  } else {
    place_all(prepare, gru.s, team.threads, {&gru.state}, {{&gru.product, operands}});
  }
  return team;
}

}  // namespace

Step gru(Prepare& prepare, const GruArgs& args) {
  Forward f{common(prepare, args, args.xw, StepProduct::kGates),
            prepare.at(args.xw),
            prepare.at(args.bias),
            prepare.at(args.h0),
            prepare.at(args.y),
            prepare.at(args.h),
            prepare.at(args.gates),
            prepare.at(args.inner),
            prepare.at(args.h_prev)};
  const Team team = place(prepare, f, 2);
  return [f, team] { team.run(f.s, [&f](const Share& share) { f.run(share); }); };
}

Step gru_dx(Prepare& prepare, const GruDxArgs& args) {
  Backward b{common(prepare, args, args.gates, StepProduct::kTransposed),
             prepare.at(args.gates),
             prepare.at(args.inner),
             prepare.at(args.h_prev),
             prepare.at(args.dy),
             prepare.at(args.dh),
             prepare.at(args.dxw),
             prepare.at(args.dhw),
             prepare.at(args.dh0)};
  const Team team = place(prepare, b, 1);
  return [b, team] { team.run(b.s, [&b](const Share& share) { b.run(share); }); };
}

}  // namespace gradstep::cpu
