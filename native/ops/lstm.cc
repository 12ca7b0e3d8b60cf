// lstm and its gradient on the CPU, a time step after the other: the product of the state with the packed recurrent
// kernel yields all four gates of 16 units at once, and the cell's arithmetic follows while they are in the cache.
// Gradient: the cell's arithmetic first, then the product of the gates' gradients with the transposed kernel. Arrays
// over time are [batch, step, …], read and written in place, row by row.
#include "ops/lstm.h"

#include "cpu/recurrence.h"
#include "generated/args/lstm.h"

namespace gradstep::cpu {
namespace {

constexpr int kGates = 4;

// Gate g of a block of rows begins at z + g * kBlock.
GRADSTEP_VECTORISED void update_cells(float* c, const float* z, const float* c_prev, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    c[i] = lstm_cell({z[i], z[kBlock + i], z[2 * kBlock + i], z[3 * kBlock + i]}, c_prev[i]);
  }
}

GRADSTEP_VECTORISED void multiply_by(float* y, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] *= x[i];
}

// dz: by the gates' values. dc becomes what goes on to the step before.
GRADSTEP_VECTORISED void cell_gradients(float* dz, float* dc, const float* z, const float* c_prev, const float* a,
                                        const float* slope, const float* dh, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const LstmGates gates{z[i], z[kBlock + i], z[2 * kBlock + i], z[3 * kBlock + i]};
    const LstmGradient d = lstm_gradient(gates, c_prev[i], a[i], slope[i], dh[i], dc[i]);
    dz[i] = d.gates.i;
    dz[kBlock + i] = d.gates.f;
    dz[2 * kBlock + i] = d.gates.g;
    dz[3 * kBlock + i] = d.gates.o;
    dc[i] = d.c_prev;
  }
}

struct Lstm : Recurrence {
  CellActivation activation, recurrent;
  State first, second;  // forward: h and c; backward: their gradients
  RecurrentProduct product;

  CellActivation of(int gate) const { return gate == 2 ? activation : recurrent; }
};

struct Forward : Lstm {
  const float *xw, *h0, *c0;
  float *y, *h, *c, *gates, *cells, *h_prev;

  // One step of up to kRows rows and 16 units, whose products lie in z.
  void step(float* z, int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block);
    const int64_t stride = s.steps * s.units, input = at(row, s.input(i));
    float *hs = first.at(block, row), *cs = second.at(block, row);
    alignas(64) float c_new[kBlock], h_new[kBlock];
    if (h_prev) scatter(h_prev + input * s.units + unit, stride, hs, n, there);
    for (int g = 0; g < kGates; g++) {
      gather_add(z + g * kBlock, xw + (input * kGates + g) * s.units + unit, kGates * stride, n, there);
      activate(of(g), z + g * kBlock, size);
    }
    update_cells(c_new, z, cs, size);
    memcpy(h_new, c_new, size * sizeof(float));
    activate(activation, h_new, size);
    multiply_by(h_new, z + 3 * kBlock, size);
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(c_new + r, cs + r, kLanes * sizeof(float));
      memcpy(h_new + r, hs + r, kLanes * sizeof(float));
      for (int g = 0; g < kGates; g++) memset(z + g * kBlock + r, 0, kLanes * sizeof(float));
    });
    memcpy(cs, c_new, size * sizeof(float));
    memcpy(hs, h_new, size * sizeof(float));
    if (y) scatter(y + at(row, s.result(i)) * s.units + unit, stride, h_new, n, there);
    if (cells) scatter(cells + input * s.units + unit, stride, c_new, n, there);
    for (int g = 0; gates && g < kGates; g++) {
      scatter(gates + (input * kGates + g) * s.units + unit, kGates * stride, z + g * kBlock, n, there);
    }
    feed(product.operands[(i + 1) % 2], first, block, row, n);
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 2);
    load(first, h0, share);
    load(second, c0, share);
    share.everybody();
    for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
      row_blocks(share, [&](int64_t row, int64_t n) { feed(product.operands[0], first, block, row, n); });
    }
    share.meet();
    alignas(64) float z[kGates * kBlock];
    for (int64_t i = 0; i < s.steps; i++) {
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
          product.product.multiply(product.packed, product.operands[i % 2].row(row), n, block, z, kBlock);
          step(z, i, row, n, block);
        }
      });
      share.meet();
    }
    save(h, first, share);
    save(c, second, share);
  }
};

struct Backward : Lstm {
  const float *gates, *cells, *c0, *dy, *dh, *dc;
  float *dxw, *dh0, *dc0;

  // The cells of one step: gradients by the gates; of the state's gradient stays what goes past the cell.
  void step(int64_t i, int64_t row, int64_t n, int64_t block) const {
    const int64_t size = n * kLanes, unit = block * kLanes, there = lanes(block);
    const int64_t stride = s.steps * s.units, input = at(row, s.input(i));
    float *dhs = first.at(block, row), *dcs = second.at(block, row);
    alignas(64) float z[kGates * kBlock], dz[kGates * kBlock];
    alignas(64) float a[kBlock], slope[kBlock], c_prev[kBlock], by_h[kBlock], by_c[kBlock];
    memcpy(by_h, dhs, size * sizeof(float));
    memcpy(by_c, dcs, size * sizeof(float));
    if (dy) gather_add(by_h, dy + at(row, s.result(i)) * s.units + unit, stride, n, there);
    for (int g = 0; g < kGates; g++) {
      gather(z + g * kBlock, gates + (input * kGates + g) * s.units + unit, kGates * stride, n, there);
    }
    gather(a, cells + input * s.units + unit, stride, n, there);
    activate(activation, a, size);
    std::fill_n(slope, size, 1.f);
    multiply_by_slope(activation, slope, a, size);
    if (i > 0) {
      gather(c_prev, cells + at(row, s.input(i - 1)) * s.units + unit, stride, n, there);
    } else if (c0) {
      gather(c_prev, c0 + row * s.units + unit, s.units, n, there);
    } else {
      memset(c_prev, 0, size * sizeof(float));
    }
    cell_gradients(dz, by_c, z, c_prev, a, slope, by_h, size);
    for (int g = 0; g < kGates; g++) multiply_by_slope(of(g), dz + g * kBlock, z + g * kBlock, size);
    memset(dhs, 0, size * sizeof(float));
    masked_rows(row, s.input(i), n, [&](int64_t r) {
      memcpy(dhs + r, by_h + r, kLanes * sizeof(float));
      memcpy(by_c + r, dcs + r, kLanes * sizeof(float));
      for (int g = 0; g < kGates; g++) memset(dz + g * kBlock + r, 0, kLanes * sizeof(float));
    });
    memcpy(dcs, by_c, size * sizeof(float));
    for (int g = 0; g < kGates; g++) {
      scatter(dxw + (input * kGates + g) * s.units + unit, kGates * stride, dz + g * kBlock, n, there);
      product.operands[0].store(row, g * padded(s.units) + unit, dz + g * kBlock, n);
    }
  }

  void run(const Share& share) const {
    product.begin(u, s, share, 1);
    load(first, dh, share);
    load(second, dc, share);
    share.everybody();
    for (int64_t i = s.steps - 1; i >= 0; i--) {
      row_blocks(share, [&](int64_t row, int64_t n) {
        for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) step(i, row, n, block);
      });
      share.meet();
      if (i > 0 || dh0) spread(product, first, share);
      share.meet();
    }
    save(dh0, first, share);
    save(dc0, second, share);
  }
};

template <typename Args>
Lstm common(Prepare& prepare, const Args& args, const Tensor& over_time, StepProduct::Form form) {
  const int64_t units = args.u.dims[0];
  return {{steps_of<Args>(args, over_time, units), prepare.at(args.u), prepare.at(args.mask), prepare.at(args.keep)},
          static_cast<CellActivation>(args.activation),
          static_cast<CellActivation>(args.recurrent_activation),
          {},
          {},
          RecurrentProduct(form, units, kGates, 0, kGates, args.precision == Args::kPrecisionBfloat16)};
}

// Lays the states and the product out in the workspace; the team that runs it.
Team place(Prepare& prepare, Lstm& lstm, int operands) {
  const Team team(lstm.s, kGates, lstm.product.product.packed_bytes(), prepare.threads());
  place_all(prepare, lstm.s, team.threads, {&lstm.first, &lstm.second}, {{&lstm.product, operands}});
  return team;
}

}  // namespace

Step lstm(Prepare& prepare, const LstmArgs& args) {
  Forward f{common(prepare, args, args.xw, StepProduct::kGates),
            prepare.at(args.xw),
            prepare.at(args.h0),
            prepare.at(args.c0),
            prepare.at(args.y),
            prepare.at(args.h),
            prepare.at(args.c),
            prepare.at(args.gates),
            prepare.at(args.cells),
            prepare.at(args.h_prev)};
  const Team team = place(prepare, f, 2);
  return [f, team] { team.run(f.s, [&f](const Share& share) { f.run(share); }); };
}

Step lstm_dx(Prepare& prepare, const LstmDxArgs& args) {
  Backward b{common(prepare, args, args.gates, StepProduct::kTransposed),
             prepare.at(args.gates),
             prepare.at(args.cells),
             prepare.at(args.c0),
             prepare.at(args.dy),
             prepare.at(args.dh),
             prepare.at(args.dc),
             prepare.at(args.dxw),
             prepare.at(args.dh0),
             prepare.at(args.dc0)};
  const Team team = place(prepare, b, 1);
  return [b, team] { team.run(b.s, [&b](const Share& share) { b.run(share); }); };
}

}  // namespace gradstep::cpu
