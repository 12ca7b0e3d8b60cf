// See recurrence.h.
#include "cpu/recurrence.h"

namespace gradstep::cpu {

GRADSTEP_VECTORISED void gather(float* block, const float* from, int64_t stride, int64_t rows, int64_t lanes) {
  if (lanes == kLanes) {
    for (int64_t r = 0; r < rows; r++) memcpy(block + r * kLanes, from + r * stride, kLanes * sizeof(float));
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t l = 0; l < kLanes; l++) block[r * kLanes + l] = l < lanes ? from[r * stride + l] : 0.f;
  }
}

GRADSTEP_VECTORISED void gather_add(float* block, const float* from, int64_t stride, int64_t rows, int64_t lanes) {
  if (lanes == kLanes) {
    for (int64_t r = 0; r < rows; r++) {
#pragma GCC ivdep
      for (int64_t l = 0; l < kLanes; l++) block[r * kLanes + l] += from[r * stride + l];
    }
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t l = 0; l < lanes; l++) block[r * kLanes + l] += from[r * stride + l];
  }
}

GRADSTEP_VECTORISED void scatter(float* to, int64_t stride, const float* block, int64_t rows, int64_t lanes) {
  if (lanes == kLanes) {
    for (int64_t r = 0; r < rows; r++) memcpy(to + r * stride, block + r * kLanes, kLanes * sizeof(float));
    return;
  }
  for (int64_t r = 0; r < rows; r++) memcpy(to + r * stride, block + r * kLanes, lanes * sizeof(float));
}

GRADSTEP_VECTORISED void multiply_rows(float* block, const float* from, int64_t stride, int64_t rows, int64_t lanes) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t l = 0; l < lanes; l++) block[r * kLanes + l] *= from[r * stride + l];
  }
}

char* RecurrentProduct::place(char* at, const Steps& s, int threads, int operand_count) {
  const auto take = [&at](size_t bytes) {
    char* here = at;
    at += (bytes + 63) / 64 * 64;
    return here;
  };
  packed = take(product.packed_bytes());
  blocks = reinterpret_cast<float*>(take(threads * product.block_floats() * sizeof(float)));
  for (int i = 0; i < operand_count; i++) {
    operands[i] = {take((s.batch + kRows) * product.row_bytes()), kind, product.row_bytes()};
  }
  return at;
}

void RecurrentProduct::begin(const float* u, const Steps& s, const Share& share, int operand_count) const {
  const Range rows = share.once(s.batch + kRows), panels = share.once(product.panels());
  for (int i = 0; i < operand_count; i++) {
    const Operand& operand = operands[i];
    memset(operand.data + rows.begin * operand.row_bytes, 0, (rows.end - rows.begin) * operand.row_bytes);
  }
  product.pack(packed, u, panels.begin, panels.end, blocks + share.thread() * product.block_floats());
}

void Recurrence::load(const State& state, const float* from, const Share& share) const {
  const int64_t row = share.rows.begin, n = share.rows.end - row;
  for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
    if (from) {
      gather(state.at(block, row), from + row * s.units + block * kLanes, s.units, n, lanes(block));
    } else {
      memset(state.at(block, row), 0, n * kLanes * sizeof(float));
    }
  }
}

void Recurrence::save(float* to, const State& state, const Share& share) const {
  const int64_t row = share.rows.begin, n = share.rows.end - row;
  for (int64_t block = share.blocks.begin; to && block < share.blocks.end; block++) {
    scatter(to + row * s.units + block * kLanes, s.units, state.at(block, row), n, lanes(block));
  }
}

void Recurrence::feed(const Operand& operand, const State& state, int64_t block, int64_t row, int64_t n) const {
  alignas(64) float met[kBlock];
  const float* from = state.at(block, row);
  if (keep || lanes(block) < kLanes) {
    gather(met, from, kLanes, n, lanes(block));
    if (keep) multiply_rows(met, keep + row * s.units + block * kLanes, s.units, n, lanes(block));
    from = met;
  }
  operand.store(row, block * kLanes, from, n);
}

void Recurrence::spread(const RecurrentProduct& p, const State& state, const Share& share) const {
  const Range panels = share.units(p.product.panels());
  const int vectors = p.product.vectors();
  alignas(64) float z[4 * kBlock];
  row_blocks(share, [&](int64_t row, int64_t n) {
    for (int64_t panel = panels.begin; panel < panels.end; panel++) {
      p.product.multiply(p.packed, p.operands[0].row(row), n, panel, z, kBlock);
      for (int v = 0; v < vectors && panel * vectors + v < s.blocks(); v++) {
        const int64_t block = panel * vectors + v;
        if (keep) multiply_rows(z + v * kBlock, keep + row * s.units + block * kLanes, s.units, n, lanes(block));
        gather_add(state.at(block, row), z + v * kBlock, kLanes, n, kLanes);
      }
    }
  });
}

void place_all(Prepare& prepare, const Steps& s, int threads, std::initializer_list<State*> states,
               std::initializer_list<PlacedProduct> products) {
  const auto lay = [&](char* at) {
    for (State* state : states) {
      *state = {reinterpret_cast<float*>(at), s.batch};
      at += s.blocks() * s.batch * kLanes * sizeof(float);
    }
    for (const PlacedProduct& p : products) at = p.product->place(at, s, threads, p.operands);
    return at;
  };
  const size_t bytes = lay(nullptr) - static_cast<char*>(nullptr);
  lay(static_cast<char*>(prepare.workspace(bytes)));
}

}  // namespace gradstep::cpu
