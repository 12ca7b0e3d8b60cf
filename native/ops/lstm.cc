// lstm and its gradient on the CPU, a time step after the other: the product of the state with the packed recurrent
// kernel yields all four gates of 16 units at once, and the cell's arithmetic follows while they are in the cache.
// Gradient: the cell's arithmetic first, then the product of the gates' gradients with the transposed kernel.
#include "ops/lstm.h"

#include "cpu/recurrence.h"
#include "generated/args/lstm.h"

namespace gradstep::cpu {
namespace {

constexpr int kGates = 4;

// The gates of some rows and 16 units.
struct Gates {
  float *i, *f, *g, *o;
};

Gates gates_of(const Local& local, int64_t block, int64_t row) {
  return {local.at(block, row, 0), local.at(block, row, 1), local.at(block, row, 2), local.at(block, row, 3)};
}

GRADSTEP_VECTORISED void update_cells(float* c, const Gates& z, const float* c_prev, int64_t n) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; j++) c[j] = lstm_cell({z.i[j], z.f[j], z.g[j], z.o[j]}, c_prev[j]);
}

// dz: by the gates' values. dc becomes what goes on to the step before.
GRADSTEP_VECTORISED void cell_gradients(const Gates& dz, float* dc, const Gates& z, const float* c_prev, const float* a,
                                        const float* slope, const float* dh, int64_t n) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; j++) {
    const LstmGradient d = lstm_gradient({z.i[j], z.f[j], z.g[j], z.o[j]}, c_prev[j], a[j], slope[j], dh[j], dc[j]);
    dz.i[j] = d.gates.i;
    dz.f[j] = d.gates.f;
    dz.g[j] = d.gates.g;
    dz.o[j] = d.gates.o;
    dc[j] = d.c_prev;
  }
}

struct Lstm : Recurrence {
  CellActivation activation, recurrent;
  RecurrentProduct product;
  Local gate{kGates};
  // h and c; backward their gradients, and c of two neighbouring steps.
  Local first{}, second{}, cell[2]{};

  CellActivation of(int g) const { return g == 2 ? activation : recurrent; }
};

struct Forward : Lstm {
  Stored xw, h0, c0;  // read
  Stored y, h, c, gates, cells, h_prev;

  // One step of up to kRows rows and 16 units, whose products lie in z.
  void step(const float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    const Gates g = gates_of(gate, block, row);
    float *hs = first.at(block, row), *cs = second.at(block, row);
    alignas(64) float c_new[kBlock], h_new[kBlock];
    for (int k = 0; k < kGates; k++) {
      float* values = gate.at(block, row, k);
      add_to(values, z + k * kBlock, size);
      activate(of(k), values, size);
    }
    update_cells(c_new, g, cs, size);
    memcpy(h_new, c_new, size * sizeof(float));
    activate(activation, h_new, size);
    multiply_by(h_new, g.o, size);
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(c_new + r, cs + r, kLanes * sizeof(float));
      memcpy(h_new + r, hs + r, kLanes * sizeof(float));
      for (int k = 0; k < kGates; k++) memset(gate.at(block, row, k) + r, 0, kLanes * sizeof(float));
    });
    memcpy(cs, c_new, size * sizeof(float));
    memcpy(hs, h_new, size * sizeof(float));
    feed(product.operands[(i + 1) % 2], first, block, row, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 2);
    read(first, all_of(h0), share);
    read(second, all_of(c0), share);
    share.everybody();
    for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
      row_blocks(share, [&](int64_t row, int64_t n) { feed(product.operands[0], first, block, row, n); });
    }
    share.meet();
    alignas(64) float z[kGates * kBlock];
    for (int64_t i = 0; i < s.steps; i++) {
      const int64_t input = s.input(i);
      write(step_of(h_prev, input), first, share);
      read(gate, step_of(xw, input, kGates), share);
      if (i + 1 < s.steps) fetch(step_of(xw, s.input(i + 1), kGates), kGates, share);
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
          product.product.multiply(product.packed, product.operands[i % 2].row(row), n, block, z, kBlock);
          step(z, i, row, n, block);
        }
      });
      write(step_of(gates, input, kGates), gate, share);
      write(step_of(cells, input), second, share);
      write(step_of(y, s.result(i)), first, share);
      share.meet();
    }
    write(all_of(h), first, share);
    write(all_of(c), second, share);
  }
};

struct Backward : Lstm {
  Stored gates, cells, c0, dy, dh, dc;  // read
  Stored dxw, dh0, dc0;

  // The cells of one step: gradients by the gates; of the state's gradient stays what goes past the cell.
  void step(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes;
    const Gates g = gates_of(gate, block, row);
    float *dhs = first.at(block, row), *dcs = second.at(block, row);
    alignas(64) float dz[kGates * kBlock], a[kBlock], slope[kBlock], by_h[kBlock], by_c[kBlock];
    memcpy(by_h, dhs, size * sizeof(float));
    memcpy(by_c, dcs, size * sizeof(float));
    memcpy(a, cell[i % 2].at(block, row), size * sizeof(float));
    activate(activation, a, size);
    std::fill_n(slope, size, 1.f);
    multiply_by_slope(activation, slope, a, size);
    const Gates by_gates{dz, dz + kBlock, dz + 2 * kBlock, dz + 3 * kBlock};
    cell_gradients(by_gates, by_c, g, cell[(i + 1) % 2].at(block, row), a, slope, by_h, size);
    memset(dhs, 0, size * sizeof(float));
    for (int k = 0; k < kGates; k++) multiply_by_slope(of(k), dz + k * kBlock, gate.at(block, row, k), size);
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(dhs + r, by_h + r, kLanes * sizeof(float));
      memcpy(by_c + r, dcs + r, kLanes * sizeof(float));
      for (int k = 0; k < kGates; k++) memset(dz + k * kBlock + r, 0, kLanes * sizeof(float));
    });
    memcpy(dcs, by_c, size * sizeof(float));
    for (int k = 0; k < kGates; k++) {
      memcpy(gate.at(block, row, k), dz + k * kBlock, size * sizeof(float));
      product.operands[0].store(row, k * padded(s.units) + block * kLanes, dz + k * kBlock, n);
    }
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 1);
    read(first, all_of(dh), share);
    read(second, all_of(dc), share);
    read(cell[(s.steps - 1) % 2], step_of(cells, s.input(s.steps - 1)), share);
    share.everybody();
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      const int64_t input = s.input(i);
      read(gate, step_of(gates, input, kGates), share);
      read(cell[(i + 1) % 2], i > 0 ? step_of(cells, s.input(i - 1)) : all_of(c0), share);
      add(first, step_of(dy, s.result(i)), share);
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) step(i, row, n, block);
      });
      write(step_of(dxw, input, kGates), gate, share);
      if (i > 0) {
        fetch(step_of(gates, s.input(i - 1), kGates), kGates, share);
        fetch(step_of(dy, s.result(i - 1)), 1, share);
        if (i > 1) fetch(step_of(cells, s.input(i - 2)), 1, share);
      }
      share.meet();
      if (i > 0 || dh0) spread(product, first, share);
      share.meet();
    }
    write(all_of(dh0), first, share);
    write(all_of(dc0), second, share);
  }
};

template <typename Args>
Lstm common(Prepare& prepare, const Args& args, const Tensor& over_time, StepProduct::Form form) {
  const int64_t units = args.u.dims[0];
  return {{steps_of<Args>(args, over_time, units), prepare.at(args.u), prepare.at(args.mask), prepare.at(args.keep)},
          static_cast<CellActivation>(args.activation),
          static_cast<CellActivation>(args.recurrent_activation),
          RecurrentProduct(form, units, kGates, 0, kGates, args.precision == Args::kPrecisionBfloat16)};
}

// Lays what is local and the product out in the workspace; the team that runs it.
Team place(Prepare& prepare, Lstm& lstm, int operands) {
  const Team team(lstm.s, kGates, lstm.product.product.packed_bytes(), prepare.threads());
  place_all(prepare, lstm.s, team, {&lstm.gate, &lstm.first, &lstm.second, &lstm.cell[0], &lstm.cell[1]},
            {{&lstm.product, operands}});
  return team;
}

}  // namespace

Step lstm(Prepare& prepare, const LstmArgs& args) {
  Forward f{common(prepare, args, args.xw, StepProduct::kGates),
            stored(prepare, args.xw),
            stored(prepare, args.h0),
            stored(prepare, args.c0),
            stored(prepare, args.y),
            stored(prepare, args.h),
            stored(prepare, args.c),
            stored(prepare, args.gates),
            stored(prepare, args.cells),
            stored(prepare, args.h_prev)};
  const Team team = place(prepare, f, 2);
  return [f, team] { run_team(f.s, team, [&](const Share& share) { f.run(share); }); };
}

Step lstm_dx(Prepare& prepare, const LstmDxArgs& args) {
  Backward b{common(prepare, args, args.gates, StepProduct::kTransposed),
             stored(prepare, args.gates),
             stored(prepare, args.cells),
             stored(prepare, args.c0),
             stored(prepare, args.dy),
             stored(prepare, args.dh),
             stored(prepare, args.dc),
             stored(prepare, args.dxw),
             stored(prepare, args.dh0),
             stored(prepare, args.dc0)};
  const Team team = place(prepare, b, 1);
  return [b, team] { run_team(b.s, team, [&](const Share& share) { b.run(share); }); };
}

}  // namespace gradstep::cpu
