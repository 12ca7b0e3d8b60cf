// map on CUDA: one pass over memory for a chain of scalar functions. Chains that occur often are compiled and found by
// the hash of their tape; every other tape is interpreted: all threads of a warp are at the same instruction, operands
// lie in shared memory, a column a thread, so that nothing is indexed in registers. A trailing row sum is taken on the
// way, in an order that depends on the shape and the device only. GRADSTEP_MAP_INTERPRETER=1 interprets every tape (for
// the tests).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <unordered_map>

#include "cuda/prepare.h"
#include "generated/args/map.h"
#include "generated/map_chains.cuh"
#include "ops/map.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

#define GRADSTEP_ARITY(code, name, arity) arity,
constexpr uint8_t kArities[] = {GRADSTEP_SCALARS(GRADSTEP_ARITY)};
#undef GRADSTEP_ARITY

// A tape whose operands are rows of shared memory: inputs, then immediates, then results of instructions.
struct Interpreter {
  static constexpr int kInputs = kMapInputs, kOutputs = kMapOutputs;
  int32_t input_count, immediate_count, instructions, result_count;
  uint8_t code[kTapeCode][4];
  uint8_t results[kMapOutputs];
  float immediates[kTapeImmediates];

  size_t shared_bytes() const { return (input_count + immediate_count + instructions) * kMapThreads * sizeof(float); }

  __device__ void operator()(const float (&in)[kMapInputs], float (&out)[kMapOutputs]) const {
    float* column = dynamic_shared<float>() + threadIdx.x;
#pragma unroll
    for (int k = 0; k < kMapInputs; k++) {
      if (k < input_count) column[k * kMapThreads] = in[k];
    }
    float* to = column + input_count * kMapThreads;
    for (int k = 0; k < immediate_count; k++, to += kMapThreads) *to = immediates[k];
    for (int i = 0; i < instructions; i++, to += kMapThreads) {
      const float a = column[code[i][1] * kMapThreads];
      const float b = column[code[i][2] * kMapThreads];
      const float c = column[code[i][3] * kMapThreads];
      *to = evaluate(code[i][0], a, b, c);
    }
#pragma unroll
    for (int k = 0; k < kMapOutputs; k++) {
      if (k < result_count) out[k] = column[results[k] * kMapThreads];
    }
  }

  static __device__ float evaluate(int function, float a, [[maybe_unused]] float b, [[maybe_unused]] float c) {
#define GRADSTEP_OPERANDS_1 a
#define GRADSTEP_OPERANDS_2 a, b
#define GRADSTEP_OPERANDS_3 a, b, c
#define GRADSTEP_CASE(number, name, arity) \
  case number:                             \
    return scalar::name(GRADSTEP_OPERANDS_##arity);
    switch (function) { GRADSTEP_SCALARS(GRADSTEP_CASE) }
#undef GRADSTEP_CASE
#undef GRADSTEP_OPERANDS_1
#undef GRADSTEP_OPERANDS_2
#undef GRADSTEP_OPERANDS_3
    return 0.f;
  }
};

Interpreter interpreter_of(const Tape& tape, int inputs) {
  Interpreter p{};
  p.input_count = inputs;
  p.immediate_count = tape.immediate_count;
  p.instructions = tape.instructions;
  p.result_count = tape.result_count;
  const auto row = [&](int operand) {
    if (operand >= kTapeImmediate) return static_cast<uint8_t>(inputs + operand - kTapeImmediate);
    if (operand >= kTapeRegister) return static_cast<uint8_t>(inputs + tape.immediate_count + operand - kTapeRegister);
    return static_cast<uint8_t>(operand);
  };
  for (int i = 0; i < tape.instructions; i++) {
    const uint8_t* code = tape.code[i];
    p.code[i][0] = code[0];
    for (int k = 1; k <= 3; k++) p.code[i][k] = row(code[k <= kArities[code[0]] ? k : 1]);
  }
  for (int k = 0; k < tape.result_count; k++) p.results[k] = row(tape.results[k]);
  std::copy_n(tape.immediates, tape.immediate_count, p.immediates);
  return p;
}

// What a tape computes, whatever its immediates' values, as scripts/generate_map_chains.ts writes it: instruction
// count, result count, functions with as many operands as they take, results.
std::string tape_key(const Tape& tape) {
  std::string key;
  const auto append = [&](int byte) { key.push_back(static_cast<char>(byte)); };
  append(tape.instructions);
  append(tape.result_count);
  for (int i = 0; i < tape.instructions; i++) {
    append(tape.code[i][0]);
    for (int k = 1; k <= kArities[tape.code[i][0]]; k++) append(tape.code[i][k]);
  }
  for (int k = 0; k < tape.result_count; k++) append(tape.results[k]);
  return key;
}

// How a chain is launched, with the kernels made for it.
struct Kernels {
  void (*elements)(cudaStream_t, const MapLaunch&, const Immediates&);
  void (*flat)(cudaStream_t, const MapLaunch&, const Immediates&);
  void (*rows)(cudaStream_t, const MapLaunch&, const Immediates&, bool block_per_slice);
};

int64_t parts(const MapLaunch& m) { return m.size / m.length * m.slices; }

template <typename Chain>
void launch_rows(cudaStream_t stream, const MapLaunch& m, const Chain& chain, bool block_per_slice,
                 size_t shared_bytes) {
  if (block_per_slice) {
    const dim3 grid = blocks_for(parts(m), 1);
    launch_cooperating(stream, map_rows<Chain, kMapThreads>, grid, dim3(kMapThreads), shared_bytes, m, chain);
  } else {
    const dim3 grid = blocks_for(parts(m), kMapThreads / kWarp);
    launch_cooperating(stream, map_rows<Chain, kWarp>, grid, dim3(kMapThreads), shared_bytes, m, chain);
  }
}

template <typename Formula>
constexpr Kernels kernels_of() {
  using Chain = Compiled<Formula>;
  return {
      [](cudaStream_t stream, const MapLaunch& m, const Immediates& immediates) {
        launch(stream, map_elements<Chain>, blocks_for(m.size, kMapThreads), dim3(kMapThreads), m, Chain{immediates});
      },
      [](cudaStream_t stream, const MapLaunch& m, const Immediates& immediates) {
        launch(stream, map_flat<Chain>, blocks_for(m.size, kMapThreads * 4), dim3(kMapThreads), m, Chain{immediates});
      },
      [](cudaStream_t stream, const MapLaunch& m, const Immediates& immediates, bool block_per_slice) {
        launch_rows(stream, m, Chain{immediates}, block_per_slice, 0);
      },
  };
}

const Kernels* find_compiled(const Tape& tape) {
  const char* interpret = std::getenv("GRADSTEP_MAP_INTERPRETER");
  if (interpret && std::strcmp(interpret, "1") == 0) return nullptr;
#define GRADSTEP_ROW(formula)                                                                 \
  {std::string(std::begin(map_chains::formula::kTape), std::end(map_chains::formula::kTape)), \
   kernels_of<map_chains::formula>()},
  static const std::unordered_map<std::string, Kernels> table = {GRADSTEP_MAP_CHAINS(GRADSTEP_ROW)};
#undef GRADSTEP_ROW
  const auto found = table.find(tape_key(tape));
  return found == table.end() ? nullptr : &found->second;
}

MapLaunch launch_of(Prepare& prepare, const MapArgs& args, const MapPlan& plan) {
  MapLaunch m{};
  for (int k = 0; k < plan.inputs; k++) {
    const Tensor& t = (&args.in0)[k];
    m.inputs[k] = prepare.at<char>(t);
    m.dtypes[k] = t.dtype;
    if (plan.uniform(k)) m.uniform |= 1u << k;
    std::copy_n(plan.strides[k], plan.rank, m.strides[k]);
  }
  for (int k = plan.reduce ? 1 : 0; k < plan.outputs; k++) m.outputs[k] = prepare.at((&args.out0)[k]);
  m.input_count = plan.inputs;
  m.rank = plan.rank;
  m.small = plan.size < int64_t{1} << 31;
  m.size = plan.size;
  m.length = m.slice_length = plan.length;
  m.slices = 1;
  m.scale = args.scale;
  for (int d = 0; d < plan.rank; d++) {
    m.dims[d] = plan.dims[d];
    if (m.small) m.by[d] = Divider(static_cast<uint32_t>(plan.dims[d]));
  }
  return m;
}

bool is_flat(const MapLaunch& m, const MapPlan& plan) {
  for (int k = 0; k < plan.inputs; k++) {
    if (m.dtypes[k] != DType::kFloat32 || !(plan.contiguous(k) || plan.uniform(k))) return false;
  }
  return true;
}

// Short rows get a warp each. Long ones get a block, or several where there are too few of them to fill the device.
constexpr int64_t kLongRow = 1024;

int64_t slices_of(const MapPlan& plan, int multiprocessors) {
  const int64_t rows = plan.size / plan.length;
  const int64_t wanted = (4 * multiprocessors + rows - 1) / rows;
  return std::max<int64_t>(1, std::min(wanted, plan.length / kLongRow));
}

}  // namespace

Step map(Prepare& prepare, const MapArgs& args) {
  const MapPlan plan = plan_map(args);
  float* sums = plan.reduce ? prepare.at(args.out0) : nullptr;
  if (plan.size == 0) {
    // Sums over nothing are 0.
    const size_t bytes = plan.reduce ? static_cast<size_t>(args.out0.size()) * sizeof(float) : 0;
    return [=](cudaStream_t stream) {
      if (bytes > 0) GRADSTEP_CUDA(cudaMemsetAsync(sums, 0, bytes, stream));
    };
  }
  MapLaunch m = launch_of(prepare, args, plan);
  const Kernels* compiled = find_compiled(args.tape);
  const Interpreter interpreter = interpreter_of(args.tape, plan.inputs);
  Immediates immediates{};
  std::copy_n(args.tape.immediates, args.tape.immediate_count, immediates.v);

  if (!plan.reduce) {
    if (compiled && is_flat(m, plan)) return [=](cudaStream_t stream) { compiled->flat(stream, m, immediates); };
    if (compiled) return [=](cudaStream_t stream) { compiled->elements(stream, m, immediates); };
    return [=](cudaStream_t stream) {
      launch_cooperating(stream, map_elements<Interpreter>, blocks_for(m.size, kMapThreads), dim3(kMapThreads),
                         interpreter.shared_bytes(), m, interpreter);
    };
  }

  const bool block_per_slice = plan.length >= kLongRow;
  const auto run = [=](cudaStream_t stream, const MapLaunch& launched) {
    if (compiled) {
      compiled->rows(stream, launched, immediates, block_per_slice);
    } else {
      launch_rows(stream, launched, interpreter, block_per_slice, interpreter.shared_bytes());
    }
  };
  const int64_t slices = slices_of(plan, prepare.multiprocessors());
  if (slices == 1) {
    m.sums = sums;
    return [=](cudaStream_t stream) { run(stream, m); };
  }
  m.slice_length = (plan.length + slices - 1) / slices;
  m.slices = static_cast<int32_t>((plan.length + m.slice_length - 1) / m.slice_length);
  m.scale = 1.f;
  const int64_t rows = plan.size / plan.length;
  const size_t bytes = static_cast<size_t>(rows * m.slices) * sizeof(float);
  const Workspace workspace = prepare.workspace(bytes);
  const SumRun finish = plan_sum(prepare, {rows, m.slices, 1, args.scale, false}, bytes);
  return [=](cudaStream_t stream) {
    MapLaunch cut = m;
    cut.sums = static_cast<float*>(workspace.data());
    run(stream, cut);
    finish(stream, cut.sums, sums);
  };
}

}  // namespace gradstep::cuda
