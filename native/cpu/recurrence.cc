// See recurrence.h.
#include "cpu/recurrence.h"

#include "cpu/bfloat16.h"

namespace gradstep::cpu {

GRADSTEP_VECTORISED void multiply_by(float* y, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] *= x[i];
}

GRADSTEP_VECTORISED void add_to(float* y, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

namespace {

struct Copy {
  Local local;
  StepRows rows;
  Range row, block;
  int64_t units;
};

// body(local, there, units there) for 16 units at a time, along each row; T is what elements there are stored in.
template <typename T, typename Body>
GRADSTEP_INLINE void along_rows(const Copy& c, Body body) {
  for (int64_t r = c.row.begin; r < c.row.end; r++) {
    for (int g = 0; g < c.local.gates; g++) {
      T* there = static_cast<T*>(c.rows.array.at) + c.rows.at + r * c.rows.stride + g * c.units;
      float* local = c.local.at(c.block.begin, r, g);
      for (int64_t block = c.block.begin; block < c.block.end; block++) {
        body(local, there + block * kLanes, std::min(kLanes, c.units - block * kLanes));
        local += c.local.gates * c.local.rows * kLanes;
      }
    }
  }
}

// local = there, or local += there. What is stored goes by way of `sums`, which can overlap neither: a loop over
// sixteen numbers is unrolled before anybody asks whether it may be a vector.
template <bool kAdd, typename T>
GRADSTEP_INLINE void take_lanes(float* local, const T* there, int64_t lanes) {
  float sums[kLanes];
  if (lanes == kLanes) {
    for (int64_t l = 0; l < kLanes; l++) sums[l] = kAdd ? local[l] + widened(there[l]) : widened(there[l]);
    memcpy(local, sums, sizeof sums);
  } else {
    for (int64_t l = 0; l < lanes; l++) local[l] = kAdd ? local[l] + widened(there[l]) : widened(there[l]);
    if (!kAdd) memset(local + lanes, 0, (kLanes - lanes) * sizeof(float));
  }
}

template <typename T>
GRADSTEP_VECTORISED void read_rows(const Copy& c) {
  along_rows<T>(c, [](float* local, const T* there, int64_t lanes) { take_lanes<false>(local, there, lanes); });
}

template <typename T>
GRADSTEP_VECTORISED void add_rows(const Copy& c) {
  along_rows<T>(c, [](float* local, const T* there, int64_t lanes) { take_lanes<true>(local, there, lanes); });
}

GRADSTEP_VECTORISED void write_rows(const Copy& c) {
  along_rows<float>(c, [](const float* local, float* there, int64_t lanes) {
    if (lanes == kLanes) {
      memcpy(there, local, kLanes * sizeof(float));
    } else {
      memcpy(there, local, lanes * sizeof(float));
    }
  });
}

// In bfloat16. Units are gathered before they are rounded, as many at once as may be.
void round_rows(const Copy& c) {
  constexpr int64_t kBlocks = 16;
  alignas(64) float gathered[kBlocks * kLanes];
  for (int64_t r = c.row.begin; r < c.row.end; r++) {
    for (int g = 0; g < c.local.gates; g++) {
      uint16_t* there = c.rows.array.as_bfloat16(c.rows.at + r * c.rows.stride + g * c.units);
      for (int64_t first = c.block.begin; first < c.block.end; first += kBlocks) {
        const int64_t blocks = std::min(kBlocks, c.block.end - first), unit = first * kLanes;
        for (int64_t b = 0; b < blocks; b++) {
          memcpy(gathered + b * kLanes, c.local.at(first + b, r, g), kLanes * sizeof(float));
        }
        to_bfloat16(there + unit, gathered, std::min(blocks * kLanes, c.units - unit));
      }
    }
  }
}

}  // namespace

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
  product.pack(packed, u, panels.begin, panels.end, blocks + share.part() * product.block_floats());
}

void Recurrence::read(const Local& to, const StepRows& from, const Share& share) const {
  const Copy copy{to, from, share.rows, share.blocks, s.units};
  if (from.array) return from.array.narrow() ? read_rows<uint16_t>(copy) : read_rows<float>(copy);
  const int64_t n = share.rows.end - share.rows.begin;
  for (int64_t block = share.blocks.begin; block < share.blocks.end; block++) {
    for (int g = 0; g < to.gates; g++) memset(to.at(block, share.rows.begin, g), 0, n * kLanes * sizeof(float));
  }
}

void Recurrence::add(const Local& to, const StepRows& from, const Share& share) const {
  const Copy copy{to, from, share.rows, share.blocks, s.units};
  if (from.array) from.array.narrow() ? add_rows<uint16_t>(copy) : add_rows<float>(copy);
}

void Recurrence::write(const StepRows& to, const Local& from, const Share& share) const {
  const Copy copy{from, to, share.rows, share.blocks, s.units};
  if (to.array) to.array.narrow() ? round_rows(copy) : write_rows(copy);
}

void Recurrence::fetch(const StepRows& rows, int gates, const Share& share) const {
  if (!rows.array) return;
  constexpr int64_t kLine = 64;
  const int64_t first = share.blocks.begin * kLanes, last = std::min(s.units, share.blocks.end * kLanes);
  for (int64_t r = share.rows.begin; r < share.rows.end; r++) {
    for (int g = 0; g < gates; g++) {
      const int64_t at = rows.at + r * rows.stride + g * s.units;
      const char* end = rows.array.bytes_at(at + last);
      for (const char* line = rows.array.bytes_at(at + first); line < end; line += kLine) {
        __builtin_prefetch(line, 0, 2);
      }
    }
  }
}

void Recurrence::multiply_by_keep(float* y, int64_t block, int64_t row, int64_t n) const {
  if (!keep) return;
  for (int64_t r = 0; r < n; r++)
    multiply_by(y + r * kLanes, keep + (row + r) * s.units + block * kLanes, lanes(block));
}

void Recurrence::feed(const Operand& operand, const Local& state, int64_t block, int64_t row, int64_t n) const {
  const float* from = state.at(block, row);
  alignas(64) float met[kBlock];
  if (keep || lanes(block) < kLanes) {
    // Units beyond the last may have become anything.
    memset(met, 0, sizeof met);
    for (int64_t r = 0; r < n; r++) memcpy(met + r * kLanes, from + r * kLanes, lanes(block) * sizeof(float));
    multiply_by_keep(met, block, row, n);
    from = met;
  }
  operand.store(row, block * kLanes, from, n);
}

void Recurrence::spread(const RecurrentProduct& p, const Local& state, const Share& share) const {
  p.each_block(p.operands[0], s, share, [&](float* z, int64_t row, int64_t n, int64_t block) {
    multiply_by_keep(z, block, row, n);
    add_to(state.at(block, row), z, n * kLanes);
  });
}

void place_all(Prepare& prepare, const Steps& s, const Team& team, std::initializer_list<Local*> locals,
               std::initializer_list<PlacedProduct> products) {
  const auto lay = [&](char* at) {
    for (Local* local : locals) {
      local->data = reinterpret_cast<float*>(at);
      local->blocks = s.blocks();
      local->rows = team.rows;
      at += local->floats(s.batch) * sizeof(float);
    }
    for (const PlacedProduct& p : products) at = p.product->place(at, s, team.threads, p.operands);
    return at;
  };
  const size_t bytes = lay(nullptr) - static_cast<char*>(nullptr);
  lay(static_cast<char*>(prepare.workspace(bytes)));
}

}  // namespace gradstep::cpu
