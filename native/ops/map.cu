// map on CUDA: one pass over memory for a chain of scalar functions. Chains that occur often are compiled and found by
// the hash of their tape; every other tape is interpreted. A trailing row sum is taken on the way, in an order that
// depends on the shape and the device only. GRADSTEP_MAP_INTERPRETER=1 interprets every tape (for the tests).
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
#include "ops/map_interpreter.cuh"
#include "ops/reduce_sum.cuh"

namespace gradstep::cuda {
namespace {

// What a block may have of shared memory without asking for more, less what sums of rows need for the warps' parts.
constexpr size_t kSharedBytes = (48 << 10) - kMapThreads / kWarp * sizeof(float);

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
  void (*rows)(cudaStream_t, const MapLaunch&, const Immediates&);
};

template <typename Chain>
void launch_rows(cudaStream_t stream, const MapLaunch& m, const Chain& chain, size_t shared_bytes) {
  const dim3 grid = blocks_for(int64_t{m.rows} * m.slices, kMapThreads >> m.team_bits);
  const auto kernel = m.wide ? map_rows<Chain, 4> : map_rows<Chain, 1>;
  launch_cooperating(stream, kernel, grid, dim3(kMapThreads), shared_bytes, m, chain);
}

dim3 element_blocks(const MapLaunch& m) { return blocks_for(m.size, m.wide ? kMapThreads * 4 : kMapThreads); }

template <typename Formula>
constexpr Kernels kernels_of() {
  using Chain = Compiled<Formula>;
  return {
      [](cudaStream_t stream, const MapLaunch& m, const Immediates& immediates) {
        const auto kernel = m.wide ? map_elements<Chain, 4> : map_elements<Chain, 1>;
        launch(stream, kernel, element_blocks(m), dim3(kMapThreads), m, Chain{immediates});
      },
      [](cudaStream_t stream, const MapLaunch& m, const Immediates& immediates) {
        launch_rows(stream, m, Chain{immediates}, 0);
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

// Whether four neighbours always stand side by side or still in every input. Those that one row goes through may end
// anywhere, unless the row is cut into rows to be summed.
bool is_wide(const MapPlan& plan) {
  if (plan.reduce) return plan.length % 4 == 0 && plan.dims[plan.rank - 1] % 4 == 0;
  return plan.rank == 1 || plan.dims[plan.rank - 1] % 4 == 0;
}

MapLaunch launch_of(Prepare& prepare, const MapArgs& args, const MapPlan& plan) {
  MapLaunch m{};
  for (int k = 0; k < plan.inputs; k++) {
    const Tensor& t = (&args.in0)[k];
    m.inputs[k] = prepare.at<char>(t);
    m.dtypes[k] = t.dtype;
    if (plan.strides[k][plan.rank - 1] == 0) m.still |= 1u << k;
    for (int d = 0; d < plan.rank; d++) m.strides[k][d] = static_cast<uint32_t>(plan.strides[k][d]);
  }
  for (int k = 0; k < plan.outputs; k++) {
    const Tensor& t = (&args.out0)[k];
    if (t.dtype == DType::kBfloat16) m.narrow |= 1u << k;
    if (k > 0 || !plan.reduce) m.outputs[k] = prepare.at<char>(t);
  }
  m.input_count = plan.inputs;
  m.rank = plan.rank;
  for (int d = 0; d < plan.rank; d++) m.by[d] = Divider(static_cast<uint32_t>(plan.dims[d]));
  m.wide = is_wide(plan);
  m.size = static_cast<uint32_t>(plan.size);
  m.length = m.slice_length = static_cast<uint32_t>(plan.length);
  m.rows = m.size / m.length;
  m.slices = 1;
  m.scale = args.scale;
  return m;
}

// Long rows get a block, or several where there are too few of them to fill the device; short ones as many lanes of a
// warp as they have packs.
constexpr uint32_t kLongRow = 1024;

void deal_rows(MapLaunch& m, int multiprocessors) {
  const uint32_t width = m.wide ? 4 : 1;
  while (1 << m.team_bits < kWarp && width << m.team_bits < m.length) m.team_bits++;
  if (m.length < kLongRow) return;
  while (1 << m.team_bits < kMapThreads) m.team_bits++;
  const uint32_t wanted = (8 * multiprocessors + m.rows - 1) / m.rows;
  const uint32_t slices = std::max(1u, std::min(wanted, m.length / kLongRow));
  m.slice_length = ((m.length + slices - 1) / slices + width - 1) / width * width;
  m.slices = (m.length + m.slice_length - 1) / m.slice_length;
  m.by_slices = Divider(m.slices);
}

}  // namespace

Step map(Prepare& prepare, const MapArgs& args) {
  const MapPlan plan = plan_map(args);
  void* sums = plan.reduce ? prepare.at<char>(args.out0) : nullptr;
  if (plan.size == 0) {
    // Sums over nothing are 0.
    const size_t bytes = plan.reduce ? static_cast<size_t>(args.out0.size()) * dtype_bytes(args.out0.dtype) : 0;
    return [=](cudaStream_t stream) {
      if (bytes > 0) GRADSTEP_CUDA(cudaMemsetAsync(sums, 0, bytes, stream));
    };
  }
  MapLaunch m = launch_of(prepare, args, plan);
  const Kernels* compiled = find_compiled(args.tape);
  const Interpreter interpreter = interpreter_of(args.tape, plan.inputs);
  if (!compiled && interpreter.shared_bytes(m.wide) > kSharedBytes) m.wide = false;
  const size_t shared_bytes = interpreter.shared_bytes(m.wide);
  Immediates immediates{};
  std::copy_n(args.tape.immediates, args.tape.immediate_count, immediates.v);

  if (!plan.reduce) {
    if (compiled) return [=](cudaStream_t stream) { compiled->elements(stream, m, immediates); };
    const auto kernel = m.wide ? map_elements<Interpreter, 4> : map_elements<Interpreter, 1>;
    return [=](cudaStream_t stream) {
      launch_cooperating(stream, kernel, element_blocks(m), dim3(kMapThreads), shared_bytes, m, interpreter);
    };
  }

  deal_rows(m, prepare.multiprocessors());
  const auto run = [=](cudaStream_t stream, const MapLaunch& launched) {
    if (compiled) {
      compiled->rows(stream, launched, immediates);
    } else {
      launch_rows(stream, launched, interpreter, shared_bytes);
    }
  };
  if (m.slices == 1) {
    m.sums = sums;
    return [=](cudaStream_t stream) { run(stream, m); };
  }
  m.scale = 1.f;
  m.narrow &= ~1u;
  const size_t bytes = size_t{m.rows} * m.slices * sizeof(float);
  const Workspace workspace = prepare.workspace(bytes);
  const SumRun finish =
      plan_sum(prepare, {m.rows, m.slices, 1, args.scale, false, DType::kFloat32, args.out0.dtype}, bytes);
  return [=](cudaStream_t stream) {
    MapLaunch cut = m;
    cut.sums = workspace.data();
    run(stream, cut);
    finish(stream, cut.sums, sums);
  };
}

}  // namespace gradstep::cuda
