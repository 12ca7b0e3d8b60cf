// What recurrent kernels share on the CPU: how steps are counted, how threads share the work, and rows of 16 units.
//
// Threads split the rows of the batch, each running all steps of its rows without waiting for anybody. Where there are
// too few rows for that, or the weights do not fit a core's own cache, they split the units instead and meet after
// every product. Every element is computed by the same operations in the same order either way, so the bits are the
// same.
//
// Kernels work on blocks of up to kRows rows and 16 units: [row][16] in the first-level cache.
#pragma once

#include <omp.h>

#include <cstring>

#include "cpu/cell_activation.h"
#include "cpu/prepare.h"
#include "cpu/step_product.h"
#include "cpu/stored.h"

namespace gradstep::cpu {

constexpr int64_t kRows = 32;                // rows of a block
constexpr int64_t kBlock = kRows * kLanes;   // floats of a block
constexpr int64_t kOwnCache = 3 << 19;       // bytes of weights that a core keeps to itself: 1.5 MiB
constexpr int64_t kFewRows = 4;              // below so many rows a thread, units are split
constexpr int64_t kWorkPerThread = 1 << 17;  // multiplications of a step that repay meeting after it

// Steps in the order in which they are made, and where their arrays and results lie.
struct Steps {
  int64_t batch, steps, units;
  bool backward, reversed;

  // s counts steps as they are made.
  int64_t input(int64_t s) const { return backward ? steps - 1 - s : s; }
  int64_t result(int64_t s) const { return reversed ? s : input(s); }
  int64_t blocks() const { return padded(units) / kLanes; }
};

template <typename Args>
Steps steps_of(const Args& args, const Tensor& over_time, int64_t units) {
  return {over_time.dims[0], over_time.dims[1], units, args.direction != Args::kDirectionForward,
          args.direction == Args::kDirectionReversed};
}

struct Range {
  int64_t begin, end;

  Range part(int64_t i, int64_t parts) const {
    const int64_t n = end - begin;
    return {begin + n * i / parts, begin + n * (i + 1) / parts};
  }
};

// How threads share a recurrence, decided when it is prepared: `threads` parts of `rows` rows each, or of all units.
struct Team {
  int threads;
  bool splits_units;
  int64_t rows;

  Team(const Steps& s, int gates, size_t packed_bytes, int most) {
    const int64_t work = s.batch * s.units * s.units * gates;
    threads = parts_of(work * s.steps, most, kWorkPerThread);
    splits_units = s.batch < kFewRows * threads || static_cast<int64_t>(packed_bytes) > kOwnCache;
    // Meeting after every product must be worth it; without it there is no use for more threads than rows.
    if (splits_units && work < kWorkPerThread * threads) {
      splits_units = false;
      threads = static_cast<int>(std::min<int64_t>(threads, s.batch));
    }
    if (threads == 1) splits_units = false;
    rows = splits_units ? s.batch : (s.batch + threads - 1) / threads;
  }

  // One thread for all.
  explicit Team(int64_t batch) : threads(1), splits_units(false), rows(batch) {}
};

// One part: all units of some rows, or some units of all rows.
class Share {
 public:
  // `alone`: one thread does all parts, one after the other. `together`: who does them at once; null for OpenMP.
  Share(const Steps& s, const Team& team, int part, bool alone, ThreadTeam* together)
      : team_(team), part_(part), alone_(alone), together_(together) {
    if (team.splits_units) {
      rows = {0, s.batch};
    } else {
      rows = {std::min(s.batch, part * team.rows), std::min(s.batch, (part + 1) * team.rows)};
    }
    blocks = units(s.blocks());
  }

  Range rows;
  Range blocks;  // of 16 units

  // Its share of things that lie along the units: panels of a product.
  Range units(int64_t n) const { return team_.splits_units ? Range{0, n}.part(part_, team_.threads) : Range{0, n}; }
  // Its share of something done once for all.
  Range once(int64_t n) const {
    if (alone_) return part_ == 0 ? Range{0, n} : Range{0, 0};
    return Range{0, n}.part(part_, team_.threads);
  }
  int part() const { return part_; }

  // Others read what this thread wrote from here on.
  void meet() const {
    if (team_.splits_units) everybody();
  }
  void everybody() const {
    if (alone_ || team_.threads == 1) return;
    if (together_) return together_->meet();
#pragma omp barrier
  }

 private:
  const Team& team_;
  int part_;
  bool alone_;
  ThreadTeam* together_;
};

// body(share), once a part. Where fewer threads come than asked for, whose parts would have to meet, one does all.
template <typename Body>
void run_team(const Steps& s, const Team& team, Body body) {
  const auto everything = [&] {
    const Team one = team.splits_units ? Team(s.batch) : team;
    for (int part = 0; part < one.threads; part++) body(Share(s, one, part, true, nullptr));
  };
  if (team.threads == 1) return everything();
  times_divided()++;
  if (ThreadTeam* const together = ThreadTeam::led()) {
    if (together->size() < team.threads) return everything();
    return together->all_at_once(team.threads, [&](int part) { body(Share(s, team, part, false, together)); });
  }
#pragma omp parallel num_threads(team.threads)
  {
    if (omp_get_num_threads() == team.threads) {
      body(Share(s, team, omp_get_thread_num(), false, nullptr));
    } else if (omp_get_thread_num() == 0) {
      everything();
    }
  }
}

// Numbers of all rows at one step, kept as [block of units][gate][row][16] so that those of a block of work lie side by
// side; each thread's rows in a stretch of their own, or the processor would fetch ahead what another thread is
// writing. Units beyond the last are zeros.
//
// Arrays over time are copied here and back a whole row at a time: their rows lie a power of two apart as often as not,
// so that 16 units of every row in turn would fall into the same few sets of the caches. What is stored in bfloat16 is
// widened and rounded on the way.
struct Local {
  int gates = 1;
  float* data = nullptr;
  int64_t blocks = 0, rows = 0;  // of a thread

  int64_t floats(int64_t batch) const { return (batch + rows - 1) / rows * blocks * gates * rows * kLanes; }
  float* at(int64_t block, int64_t row, int gate = 0) const {
    return data + ((row / rows * blocks + block) * gates + gate) * rows * kLanes + row % rows * kLanes;
  }
};

// Rows of a step of an array over time: row r begins `at` + r * stride elements into it, and there gate g at g * units.
struct StepRows {
  Stored array;
  int64_t at, stride;
};

void multiply_by(float* y, const float* x, int64_t n);
void add_to(float* y, const float* x, int64_t n);

// The rows that meet the packed matrix.
struct Operand {
  char* data;
  OperandKind kind;
  size_t row_bytes;

  const void* row(int64_t r) const { return data + r * row_bytes; }
  // 16 elements of some rows, from element `at` on.
  void store(int64_t row, int64_t at, const float* block, int64_t rows) const {
    for (int64_t r = 0; r < rows; r++) {
      store_operand(kind, data + (row + r) * row_bytes, at, block + r * kLanes);
    }
  }
};

// A recurrent product with what it needs of the workspace: the packed matrix, a block to pack by way of for each
// thread, and operands.
struct RecurrentProduct {
  StepProduct product;
  OperandKind kind;
  char* packed = nullptr;
  float* blocks = nullptr;
  Operand operands[2] = {};

  RecurrentProduct(StepProduct::Form form, int64_t units, int all, int first, int gates, bool bfloat16)
      : product(form, units, all, first, gates, operand_kind(bfloat16)), kind(operand_kind(bfloat16)) {}

  // Bytes it takes from `at` on: the end. Null only measures.
  char* place(char* at, const Steps& s, int threads, int operand_count);
  // Packs u and clears the operands, shared among all; nobody may use it before they have met.
  void begin(const float* u, const Steps& s, const Share& share, int operand_count) const;

  // body(z, row, rows, block) for a thread's share of a product whose panels hold 64 units: z [row][16].
  template <typename Body>
  void each_block(const Operand& operand, const Steps& s, const Share& share, Body body) const {
    const Range panels = share.units(product.panels());
    const int vectors = product.vectors();
    alignas(64) float z[4 * kBlock];
    for (int64_t row = share.rows.begin; row < share.rows.end; row += kRows) {
      const int64_t n = std::min(kRows, share.rows.end - row);
      for (int64_t panel = panels.begin; panel < panels.end; panel++) {
        product.multiply(packed, operand.row(row), n, panel, z, kBlock);
        for (int v = 0; v < vectors && panel * vectors + v < s.blocks(); v++) {
          body(z + v * kBlock, row, n, panel * vectors + v);
        }
      }
    }
  }
};

// What the kernels of all cells have, forward and backward.
struct Recurrence {
  Steps s;
  const float *u, *mask, *keep;

  int64_t lanes(int64_t block) const { return std::min(kLanes, s.units - block * kLanes); }
  // Row `row` of step `step` in an array [batch, steps, …].
  int64_t at(int64_t row, int64_t step) const { return row * s.steps + step; }

  // Step `step` of an array [batch, steps, gates · units], or of none.
  StepRows step_of(const Stored& x, int64_t step, int gates = 1) const {
    const int64_t width = gates * s.units;
    return {x, step * width, s.steps * width};
  }
  // An array [batch, units], or none.
  StepRows all_of(const Stored& x) const { return {x, 0, s.units}; }

  // A thread's share of a step: read (none: zeros), added (none: nothing), written (none: nothing).
  void read(const Local& to, const StepRows& from, const Share& share) const;
  void add(const Local& to, const StepRows& from, const Share& share) const;
  void write(const StepRows& to, const Local& from, const Share& share) const;
  // Asks the memory for a thread's share of a step ahead of the time it is read: each row lies in a place of its own,
  // which no processor foresees.
  void fetch(const StepRows& rows, int gates, const Share& share) const;

  // y *= keep, for 16 units of some rows; nothing where there is none.
  void multiply_by_keep(float* y, int64_t block, int64_t row, int64_t n) const;
  // A state times `keep`, as what meets the recurrent kernel.
  void feed(const Operand& operand, const Local& state, int64_t block, int64_t row, int64_t n) const;

  // body(row of the block) for rows whose step is masked.
  template <typename Body>
  void masked_rows(int64_t row, int64_t step, int64_t n, Body body) const {
    if (!mask) return;
    for (int64_t r = 0; r < n; r++) {
      if (mask[at(row + r, step)] == 0.f) body(r * kLanes);
    }
  }

  // body(first row, rows) for the blocks of a thread's rows.
  template <typename Body>
  static void row_blocks(const Share& share, Body body) {
    for (int64_t row = share.rows.begin; row < share.rows.end; row += kRows) {
      body(row, std::min(kRows, share.rows.end - row));
    }
  }

  // state += keep · operand · packed, for a thread's share of panels.
  void spread(const RecurrentProduct& p, const Local& state, const Share& share) const;
};

// Asks for the workspace of some local arrays and products (with so many operands each) and lays them out in it.
struct PlacedProduct {
  RecurrentProduct* product;
  int operands;
};
void place_all(Prepare& prepare, const Steps& s, const Team& team, std::initializer_list<Local*> locals,
               std::initializer_list<PlacedProduct> products);

}  // namespace gradstep::cpu
