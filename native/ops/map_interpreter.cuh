// The chain of map for tapes that are not compiled: an interpreter whose operands are rows of shared memory, a column a
// thread, so that nothing is indexed in registers; all threads of a warp are at the same instruction. An instruction is
// looked up once for the four elements of a pack. Inputs and immediates lie in the first rows; a result takes the row
// of what is read for the last time, or a new one.
#pragma once

#include <algorithm>

#include "cuda/launch.h"
#include "ops/map.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {

#define GRADSTEP_ARITY(code, name, arity) arity,
constexpr uint8_t kArities[] = {GRADSTEP_SCALARS(GRADSTEP_ARITY)};
#undef GRADSTEP_ARITY

struct Interpreter {
  static constexpr int kInputs = kMapInputs, kOutputs = kMapOutputs;
  int32_t input_count, immediate_count, instructions, result_count, rows;
  uint8_t code[kTapeCode][5];  // function, row of the result, rows of the operands
  uint8_t results[kMapOutputs];
  float immediates[kTapeImmediates];

  size_t shared_bytes(bool wide) const { return static_cast<size_t>(rows) * kMapThreads * (wide ? 16 : 4); }

  template <int kWidth>
  __device__ void operator()(const Pack<float, kWidth> (&in)[kMapInputs],
                             Pack<float, kWidth> (&out)[kMapOutputs]) const {
    Pack<float, kWidth>* column = dynamic_shared<Pack<float, kWidth>>() + threadIdx.x;
#pragma unroll
    for (int k = 0; k < kMapInputs; k++) {
      if (k < input_count) column[k * kMapThreads] = in[k];
    }
    for (int k = 0; k < immediate_count; k++) {
      Pack<float, kWidth> same;
#pragma unroll
      for (int e = 0; e < kWidth; e++) same.v[e] = immediates[k];
      column[(input_count + k) * kMapThreads] = same;
    }
#pragma unroll 1
    for (int i = 0; i < instructions; i++) {
      const Pack<float, kWidth> a = column[code[i][2] * kMapThreads];
      const Pack<float, kWidth> b = column[code[i][3] * kMapThreads];
      const Pack<float, kWidth> c = column[code[i][4] * kMapThreads];
      column[code[i][1] * kMapThreads] = evaluate(code[i][0], a, b, c);
    }
#pragma unroll
    for (int k = 0; k < kMapOutputs; k++) {
      out[k] = k < result_count ? column[results[k] * kMapThreads] : Pack<float, kWidth>{};
    }
  }

  template <int kWidth>
  static __device__ Pack<float, kWidth> evaluate(int function, const Pack<float, kWidth>& a,
                                                 [[maybe_unused]] const Pack<float, kWidth>& b,
                                                 [[maybe_unused]] const Pack<float, kWidth>& c) {
    Pack<float, kWidth> result{};
#define GRADSTEP_OPERANDS_1 a.v[e]
#define GRADSTEP_OPERANDS_2 a.v[e], b.v[e]
#define GRADSTEP_OPERANDS_3 a.v[e], b.v[e], c.v[e]
#define GRADSTEP_CASE(number, name, arity)                                                                    \
  case number:                                                                                                \
    _Pragma("unroll") for (int e = 0; e < kWidth; e++) result.v[e] = scalar::name(GRADSTEP_OPERANDS_##arity); \
    break;
    switch (function) { GRADSTEP_SCALARS(GRADSTEP_CASE) }
#undef GRADSTEP_CASE
#undef GRADSTEP_OPERANDS_1
#undef GRADSTEP_OPERANDS_2
#undef GRADSTEP_OPERANDS_3
    return result;
  }
};

inline Interpreter interpreter_of(const Tape& tape, int inputs) {
  Interpreter p{};
  p.input_count = inputs;
  p.immediate_count = tape.immediate_count;
  p.instructions = tape.instructions;
  p.result_count = tape.result_count;
  p.rows = inputs + tape.immediate_count;
  std::copy_n(tape.immediates, tape.immediate_count, p.immediates);

  // Values are inputs, immediates, results of instructions.
  const auto value = [&](int operand) {
    if (operand >= kTapeImmediate) return inputs + operand - kTapeImmediate;
    if (operand >= kTapeRegister) return inputs + tape.immediate_count + operand - kTapeRegister;
    return operand;
  };
  constexpr int kValues = kMapInputs + kTapeImmediates + kTapeCode;
  int last_use[kValues] = {};  // the instruction that reads it last
  for (int i = 0; i < tape.instructions; i++) {
    for (int k = 1; k <= kArities[tape.code[i][0]]; k++) last_use[value(tape.code[i][k])] = i;
  }
  for (int k = 0; k < tape.result_count; k++) last_use[value(tape.results[k])] = tape.instructions;

  uint8_t row[kValues];
  for (int v = 0; v < p.rows; v++) row[v] = static_cast<uint8_t>(v);
  uint8_t free[kValues];
  int free_count = 0;
  for (int i = 0; i < tape.instructions; i++) {
    const uint8_t* code = tape.code[i];
    const int arity = kArities[code[0]];
    p.code[i][0] = code[0];
    for (int k = 1; k <= 3; k++) {
      const int v = value(code[k <= arity ? k : 1]);
      p.code[i][k + 1] = row[v];
      bool named_before = false;
      for (int j = 1; j < k && j <= arity; j++) named_before |= value(code[j]) == v;
      if (k <= arity && !named_before && last_use[v] == i) free[free_count++] = row[v];
    }
    p.code[i][1] = free_count > 0 ? free[--free_count] : static_cast<uint8_t>(p.rows++);
    row[value(kTapeRegister + i)] = p.code[i][1];
  }
  for (int k = 0; k < tape.result_count; k++) p.results[k] = row[value(tape.results[k])];
  return p;
}

}  // namespace gradstep::cuda
