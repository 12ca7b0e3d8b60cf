#include "cuda/backend.h"

#include <algorithm>
#include <chrono>

#include "cuda/prepare.h"
#include "generated/cuda_ops.h"

namespace gradstep::cuda {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Error within(const Error& error, const ProgramStep& step) {
  return Error(error.code(), std::string(error.what()) + " (in " + step.scope + ")");
}

// Ends a capture that an exception interrupts, so that the stream can be used again.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    // Relaxed: the driver may load a kernel's code at its first launch, which stricter modes count as unsafe.
    GRADSTEP_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  }
  ~Capture() {
    cudaGraph_t graph = nullptr;
    if (!ended_ && cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
  }
  OwnedGraph end() {
    cudaGraph_t graph = nullptr;
    ended_ = true;
    GRADSTEP_CUDA(cudaStreamEndCapture(stream_, &graph));
    return OwnedGraph(graph);
  }

 private:
  cudaStream_t stream_;
  bool ended_ = false;
};

}  // namespace

CudaBackend::CudaBackend(int device) : device_(device) {
  enter();
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device_));
  int waits = 0, shared_bytes = 0, major = 0;
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&waits, cudaDevAttrCooperativeLaunch, device_));
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_));
  if (waits != 0) grid_shared_bytes_ = static_cast<size_t>(shared_bytes);
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_));
  tensor_cores_ = major >= 8;
  stream_ = make_stream();
  for (OwnedEvent& event : batch_done_) event = make_event();
  transfer_ = std::make_unique<Transfer>(stream_.get());
  gemm_ = make_gemm();
  const std::vector<Slot> none(kSlots);
  slot_table_ = DeviceMemory(none.size() * sizeof(Slot), "the table of data sets");
  transfer_->to_device(slot_table_.data(), none.data(), slot_table_.bytes());
}

CudaBackend::~CudaBackend() {
  cudaSetDevice(device_);
  if (stream_) cudaStreamSynchronize(stream_.get());
  cudaGetLastError();
}

void CudaBackend::enter() { GRADSTEP_CUDA(cudaSetDevice(device_)); }

// ---- memory ----

void CudaBackend::reserve(uint64_t bytes) {
  if (bytes <= persistent_.bytes()) return;
  enter();
  DeviceMemory grown(bytes, "the model");
  const uint64_t kept = persistent_.bytes();
  if (kept > 0) {
    GRADSTEP_CUDA(cudaMemcpyAsync(grown.data(), persistent_.data(), kept, cudaMemcpyDeviceToDevice, stream_.get()));
  }
  GRADSTEP_CUDA(cudaMemsetAsync(grown.data() + kept, 0, bytes - kept, stream_.get()));
  GRADSTEP_CUDA(cudaStreamSynchronize(stream_.get()));
  drop_graphs();
  persistent_ = std::move(grown);
}

// Scratch keeps nothing from one run to the next, so the old block makes room for the new one. Where that fails and not
// even the old one can be had again, a program asks for its own when it is next built.
void CudaBackend::grow_scratch(uint64_t bytes) {
  if (bytes <= scratch_.bytes()) return;
  const uint64_t before = scratch_.bytes();
  drop_graphs();
  scratch_ = DeviceMemory();
  try {
    scratch_ = DeviceMemory(bytes, "a program's intermediate values");
  } catch (const Error&) {
    try {
      scratch_ = DeviceMemory(before, "a program's intermediate values");
    } catch (const Error&) {
    }
    throw;
  }
}

char* CudaBackend::address_of(const Span& span) {
  const DeviceMemory& block = span.slot >= 0                       ? slot_memory_[span.slot]
                              : span.region == Region::kPersistent ? persistent_
                                                                   : scratch_;
  if (span.offset > block.bytes() || span.bytes > block.bytes() - span.offset) {
    throw Error("ERR_INTERNAL", "A transfer of " + std::to_string(span.bytes) + " bytes at " +
                                    std::to_string(span.offset) + " leaves its block of " +
                                    std::to_string(block.bytes()) + " bytes");
  }
  return block.data() + span.offset;
}

void CudaBackend::write(const Span& to, const void* data) {
  char* const address = address_of(to);
  enter();
  transfer_->to_device(address, data, to.bytes);
}

void CudaBackend::read(const Span& from, void* data) {
  const char* const address = address_of(from);
  enter();
  transfer_->to_host(data, address, from.bytes);
}

void CudaBackend::allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements) {
  release_slot(slot);
  const uint64_t bytes = static_cast<uint64_t>(rows) * static_cast<uint64_t>(row_elements) * dtype_bytes(dtype);
  DeviceMemory memory(bytes, "a data set");
  publish_slot(slot, {memory.data(), rows, row_elements, dtype, 0});
  slot_memory_[slot] = std::move(memory);
}

void CudaBackend::release_slot(int slot) {
  enter();
  publish_slot(slot, Slot{});
  slot_memory_[slot] = DeviceMemory();
}

void CudaBackend::publish_slot(int slot, const Slot& entry) {
  transfer_->to_device(slot_table_.data() + sizeof entry * static_cast<size_t>(slot), &entry, sizeof entry);
}

MemoryUse CudaBackend::memory() const {
  MemoryUse use{persistent_.bytes(), scratch_.bytes(), workspace_.bytes(), 0};
  for (const DeviceMemory& memory : slot_memory_) use.slots += memory.bytes();
  return use;
}

// ---- programs ----

CudaBackend::Entry& CudaBackend::entry_of(int entry) {
  const auto found = entries_.find(entry);
  if (found == entries_.end()) throw Error("ERR_PROGRAM", "No program is loaded as " + std::to_string(entry));
  return found->second;
}

void CudaBackend::drop_graphs() {
  for (auto& [number, entry] : entries_) entry.graph.reset();
}

int CudaBackend::load(Program program) {
  reserve(program.persistent_bytes);
  enter();
  Entry entry{std::move(program), nullptr};
  build(entry);
  const int number = next_entry_++;
  entries_.emplace(number, std::move(entry));
  return number;
}

void CudaBackend::unload(int entry) { entries_.erase(entry); }

// Makes room for a program's scratch, prepares every step on the addresses of now and makes room for their workspace.
std::vector<Step> CudaBackend::prepare_steps(const Program& program) {
  grow_scratch(program.scratch_bytes);
  Prepare prepare(persistent_.data(), scratch_.data(), reinterpret_cast<const Slot*>(slot_table_.data()),
                  &workspace_address_, *gemm_, multiprocessors_, grid_shared_bytes_, tensor_cores_);
  std::vector<Step> steps;
  steps.reserve(program.steps.size());
  for (const ProgramStep& step : program.steps) {
    try {
      steps.push_back(prepare_step(prepare, step.op, step.args));
    } catch (const Error& error) {
      throw within(error, step);
    }
  }
  if (prepare.workspace_bytes() > workspace_.bytes()) {
    // Steps ask for the address when they are captured, so only graphs hold the old one.
    DeviceMemory larger(prepare.workspace_bytes(), "the workspace of a program's steps");
    drop_graphs();
    workspace_ = std::move(larger);
    workspace_address_ = workspace_.data();
  }
  return steps;
}

void CudaBackend::build(Entry& entry) { entry.graph = capture(prepare_steps(entry.program), entry.program); }

OwnedGraphExec CudaBackend::capture(const std::vector<Step>& steps, const Program& program,
                                    const std::vector<OwnedEvent>& clocks) {
  Capture capture(stream_.get());
  // External: every launch of the graph records the event anew, for the host to read.
  const auto record = [&](size_t i) {
    if (clocks.empty()) return;
    GRADSTEP_CUDA(cudaEventRecordWithFlags(clocks[i].get(), stream_.get(), cudaEventRecordExternal));
  };
  record(0);
  for (size_t i = 0; i < steps.size(); i++) {
    try {
      steps[i](stream_.get());
    } catch (const Error& error) {
      throw within(error, program.steps[i]);
    }
    record(i + 1);
  }
  const OwnedGraph graph = capture.end();
  cudaGraphExec_t instance = nullptr;
  GRADSTEP_CUDA(cudaGraphInstantiate(&instance, graph.get(), 0));
  OwnedGraphExec owned(instance);
  GRADSTEP_CUDA(cudaGraphUpload(instance, stream_.get()));
  return owned;
}

// Launches batches of steps, of about two milliseconds each, and waits for the batch before the last one: the device
// never idles, and a stop or the end of the budget is noticed soon.
int64_t CudaBackend::run(int number, int64_t steps, const RunControl& control) {
  Entry& entry = entry_of(number);
  enter();
  if (!entry.graph) build(entry);
  constexpr double kBatchSeconds = 0.002;
  constexpr int64_t kMaxBatch = 64;
  const auto start = Clock::now();
  const auto over = [&](int64_t launched) {
    if (control.stop != nullptr && control.stop->load(std::memory_order_relaxed)) return true;
    return launched > 0 && control.budget_seconds > 0 && seconds_since(start) >= control.budget_seconds;
  };
  int64_t launched = 0, batch = 1;
  int64_t launched_by[2] = {0, 0};  // how many steps were launched when each event was recorded
  for (int turn = 0; launched < steps && !over(launched); turn = 1 - turn) {
    const int64_t n = std::min(batch, steps - launched);
    for (int64_t i = 0; i < n; i++) GRADSTEP_CUDA(cudaGraphLaunch(entry.graph.get(), stream_.get()));
    launched += n;
    GRADSTEP_CUDA(cudaEventRecord(batch_done_[turn].get(), stream_.get()));
    launched_by[turn] = launched;
    if (launched_by[1 - turn] == 0) continue;
    GRADSTEP_CUDA(cudaEventSynchronize(batch_done_[1 - turn].get()));
    const double step_seconds = seconds_since(start) / static_cast<double>(launched_by[1 - turn]);
    batch = std::clamp(static_cast<int64_t>(kBatchSeconds / step_seconds), int64_t{1}, kMaxBatch);
  }
  GRADSTEP_CUDA(cudaStreamSynchronize(stream_.get()));
  return launched;
}

// Launches a graph that records an event between any two steps, and waits for each launch, as the next one records the
// same events.
std::vector<double> CudaBackend::profile(int number, int64_t steps, const RunControl& control) {
  Entry& entry = entry_of(number);
  enter();
  std::vector<OwnedEvent> clocks(entry.program.steps.size() + 1);
  for (OwnedEvent& clock : clocks) clock = make_event(cudaEventDefault);
  const OwnedEvent origin = make_event(cudaEventDefault);
  const OwnedGraphExec graph = capture(prepare_steps(entry.program), entry.program, clocks);
  const auto start = Clock::now();
  std::vector<double> moments;
  GRADSTEP_CUDA(cudaEventRecord(origin.get(), stream_.get()));
  for (int64_t done = 0; done < steps; done++) {
    if (control.stop != nullptr && control.stop->load(std::memory_order_relaxed)) break;
    if (done > 0 && control.budget_seconds > 0 && seconds_since(start) >= control.budget_seconds) break;
    GRADSTEP_CUDA(cudaGraphLaunch(graph.get(), stream_.get()));
    GRADSTEP_CUDA(cudaStreamSynchronize(stream_.get()));
    float since_origin = 0;
    GRADSTEP_CUDA(cudaEventElapsedTime(&since_origin, origin.get(), clocks[0].get()));
    const double begin = since_origin / 1e3;
    moments.push_back(begin);
    for (size_t i = 1; i < clocks.size(); i++) {
      float milliseconds = 0;
      GRADSTEP_CUDA(cudaEventElapsedTime(&milliseconds, clocks[0].get(), clocks[i].get()));
      moments.push_back(begin + milliseconds / 1e3);
    }
  }
  return moments;
}

}  // namespace gradstep::cuda
