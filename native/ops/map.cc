// map on the CPU: the tape is evaluated over blocks of kBlock elements that stay in the first-level cache, one
// vectorised loop an instruction. Inputs in float32 that hold the domain in order are read in place, results in float32
// are written in place; other inputs are first spread into a block of floats, those that soon repeat once for all
// blocks, and results in bfloat16 are rounded block by block. A row reduction sums each row as its blocks are made.
#include "generated/args/map.h"

#include <cstring>
#include <memory>
#include <vector>

#include "core/map_plan.h"
#include "cpu/bfloat16.h"
#include "cpu/prepare.h"
#include "cpu/spread.h"
#include "cpu/vector.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kBuffer = kBlock + kSpreadRoom;
constexpr int64_t kTile = 2 * kBlock + kSpreadRoom;  // of an input: a block from any place in its period

using Loop = void (*)(int64_t n, const float* a, const float* b, const float* c, float* y);

// One loop a scalar function. ivdep: y may be a, b or c itself, element by element, and nothing else overlaps.
#define GRADSTEP_OPERANDS_1 a[i]
#define GRADSTEP_OPERANDS_2 a[i], b[i]
#define GRADSTEP_OPERANDS_3 a[i], b[i], c[i]
#define GRADSTEP_LOOP(code, name, arity)                                                                 \
  GRADSTEP_VECTORISED void loop_##name(int64_t n, const float* a, [[maybe_unused]] const float* b,       \
                                       [[maybe_unused]] const float* c, float* y) {                      \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) y[i] = scalar::name(GRADSTEP_OPERANDS_##arity); \
  }
GRADSTEP_SCALARS(GRADSTEP_LOOP)
#undef GRADSTEP_LOOP

#define GRADSTEP_ENTRY(code, name, arity) loop_##name,
constexpr Loop kLoops[] = {GRADSTEP_SCALARS(GRADSTEP_ENTRY)};
#undef GRADSTEP_ENTRY

struct Map {
  MapPlan plan;
  Tape tape;
  const void* inputs[kMapInputs];
  Spread spreads[kMapInputs];
  bool direct_input[kMapInputs];    // read in place
  bool repeated_input[kMapInputs];  // its period is at most a block: it is spread once
  void* outputs[kMapOutputs];
  bool narrow_output[kMapOutputs];  // stored in bfloat16
  bool write_through[kTapeCode];    // instruction i's result goes straight to an output
  int through_output[kTapeCode];
  float scale;
  float* buffers;  // per thread: inputs, immediates, registers
  int64_t buffers_per_thread;
  int threads;
};

float* float_output(const Map& map, int k) { return static_cast<float*>(map.outputs[k]); }

// Where the blocks of one thread lie.
class Blocks {
 public:
  Blocks(const Map& map, int part) : base_(map.buffers + part * map.buffers_per_thread) {}
  float* input(int k) const { return base_ + k * kTile; }
  float* immediate(int k) const { return base_ + kMapInputs * kTile + k * kBuffer; }
  float* result(int i) const { return base_ + kMapInputs * kTile + (kTapeImmediates + i) * kBuffer; }

 private:
  float* base_;
};

// What is the same for all blocks of a range of n elements.
void prepare_blocks(const Map& map, const Blocks& blocks, int64_t n) {
  const int64_t block = std::min(n, kBlock);
  for (int i = 0; i < map.tape.immediate_count; i++) fill(blocks.immediate(i), map.tape.immediates[i], block);
  for (int k = 0; k < map.plan.inputs; k++) {
    const int64_t period = map.spreads[k].period;
    if (map.repeated_input[k]) spread(map.spreads[k], 0, std::min(block + period, map.plan.size), blocks.input(k));
  }
}

// Evaluates the tape on [begin, begin + n), n <= kBlock. Returns the block that holds the first result when it is to be
// summed; writes the other results out.
const float* evaluate(const Map& map, const Blocks& blocks, int64_t begin, int64_t n) {
  const float* operands[256];
  for (int k = 0; k < map.plan.inputs; k++) {
    if (map.direct_input[k]) {
      operands[k] = static_cast<const float*>(map.inputs[k]) + begin;
    } else if (map.repeated_input[k]) {
      operands[k] = blocks.input(k) + begin % map.spreads[k].period;
    } else {
      spread(map.spreads[k], begin, n, blocks.input(k));
      operands[k] = blocks.input(k);
    }
  }
  for (int i = 0; i < map.tape.immediate_count; i++) operands[kTapeImmediate + i] = blocks.immediate(i);
  for (int i = 0; i < map.tape.instructions; i++) {
    const uint8_t* code = map.tape.code[i];
    float* y = map.write_through[i] ? float_output(map, map.through_output[i]) + begin : blocks.result(i);
    kLoops[code[0]](n, operands[code[1]], operands[code[2]], operands[code[3]], y);
    operands[kTapeRegister + i] = y;
  }
  for (int k = map.plan.reduce ? 1 : 0; k < map.plan.outputs; k++) {
    const float* from = operands[map.tape.results[k]];
    if (map.narrow_output[k]) {
      to_bfloat16(static_cast<uint16_t*>(map.outputs[k]) + begin, from, n);
    } else if (float* to = float_output(map, k) + begin; from != to) {
      std::memmove(to, from, n * sizeof(float));
    }
  }
  return operands[map.tape.results[0]];
}

void run_elementwise(const Map& map) {
  parallel_ranges(map.plan.size, parts_of(map.plan.size, map.threads), 64, [&](int part, int64_t begin, int64_t end) {
    const Blocks blocks(map, part);
    prepare_blocks(map, blocks, end - begin);
    for (int64_t at = begin; at < end; at += kBlock) evaluate(map, blocks, at, std::min(kBlock, end - at));
  });
}

// Σ of the first result over [begin, end).
double sum_range(const Map& map, const Blocks& blocks, int64_t begin, int64_t end) {
  double total = 0;
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t n = std::min(kBlock, end - at);
    total += sum(evaluate(map, blocks, at, n), n);
  }
  return total;
}

void store_sum(const Map& map, int64_t row, double sum) {
  const float result = map.scale * static_cast<float>(sum);
  if (map.narrow_output[0]) {
    static_cast<uint16_t*>(map.outputs[0])[row] = bfloat16_bits(result);
  } else {
    float_output(map, 0)[row] = result;
  }
}

// Rows shared out among the threads; several short rows to a block.
void run_rows(const Map& map, int64_t rows) {
  const int64_t length = map.plan.length;
  const int64_t rows_per_block = std::max<int64_t>(1, kBlock / length);
  const int parts = parts_of(rows * length, map.threads);
  parallel_ranges(rows, parts, rows_per_block, [&](int part, int64_t begin, int64_t end) {
    const Blocks blocks(map, part);
    prepare_blocks(map, blocks, (end - begin) * length);
    for (int64_t row = begin; row < end; row += rows_per_block) {
      if (length > kBlock) {
        store_sum(map, row, sum_range(map, blocks, row * length, (row + 1) * length));
        continue;
      }
      const int64_t n = std::min(rows_per_block, end - row);
      const float* y = evaluate(map, blocks, row * length, n * length);
      for (int64_t r = 0; r < n; r++) store_sum(map, row + r, sum(y + r * length, length));
    }
  });
}

// Few long rows: each is shared out among the threads, and the parts' sums are added in order.
void run_long_rows(const Map& map, int64_t rows) {
  constexpr int kMaxParts = 256;
  const int64_t length = map.plan.length;
  const int parts = std::min(kMaxParts, parts_of(length, map.threads));
  for (int64_t row = 0; row < rows; row++) {
    double sums[kMaxParts] = {};
    parallel_ranges(length, parts, kBlock, [&](int part, int64_t begin, int64_t end) {
      const Blocks blocks(map, part);
      prepare_blocks(map, blocks, end - begin);
      sums[part] = sum_range(map, blocks, row * length + begin, row * length + end);
    });
    double total = 0;
    for (int part = 0; part < parts; part++) total += sums[part];
    store_sum(map, row, total);
  }
}

// Results that an instruction may write straight to their output. Where outputs lie on inputs (in place), only the last
// instruction may: an earlier one could overwrite what a later one reads.
void choose_outputs(Map& map) {
  bool in_place = false;
  for (int k = 0; k < map.plan.outputs; k++) {
    for (int i = 0; i < map.plan.inputs; i++) in_place = in_place || map.outputs[k] == map.inputs[i];
  }
  for (int k = map.plan.reduce ? 1 : 0; k < map.plan.outputs; k++) {
    const int i = map.tape.results[k] - kTapeRegister;
    if (map.narrow_output[k] || i < 0 || i >= map.tape.instructions || map.write_through[i]) continue;
    if (in_place && i != map.tape.instructions - 1) continue;
    map.write_through[i] = true;
    map.through_output[i] = k;
  }
}

}  // namespace

Step map(Prepare& prepare, const MapArgs& args) {
  auto map = std::make_shared<Map>();
  map->plan = plan_map(args);
  map->tape = args.tape;
  map->scale = args.scale;
  map->threads = prepare.threads();
  for (int k = 0; k < map->plan.inputs; k++) {
    const Tensor& t = (&args.in0)[k];
    map->inputs[k] = prepare.at<char>(t);
    map->spreads[k] = plan_spread(map->plan, k, map->inputs[k], t.dtype);
    map->repeated_input[k] = map->spreads[k].period <= kBlock;
    map->direct_input[k] = t.dtype == DType::kFloat32 && map->plan.contiguous(k);
  }
  for (int k = 0; k < map->plan.outputs; k++) {
    const Tensor& t = (&args.out0)[k];
    map->outputs[k] = prepare.at<char>(t);
    map->narrow_output[k] = t.dtype == DType::kBfloat16;
  }
  map->buffers_per_thread = kMapInputs * kTile + (kTapeImmediates + map->tape.instructions) * kBuffer;
  map->buffers = static_cast<float*>(prepare.workspace(prepare.threads() * map->buffers_per_thread * sizeof(float)));
  choose_outputs(*map);

  if (!map->plan.reduce) return [map] { run_elementwise(*map); };
  const int64_t rows = map->plan.size / map->plan.length;
  if (rows < prepare.threads() && map->plan.length > kGrain) return [map, rows] { run_long_rows(*map, rows); };
  return [map, rows] { run_rows(*map, rows); };
}

}  // namespace gradstep::cpu
