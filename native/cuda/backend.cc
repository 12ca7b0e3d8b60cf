#include "cuda/backend.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "cuda/capture.h"
#include "cuda/ways.h"
#include "generated/cuda_ops.h"

namespace gradstep::cuda {
namespace {

// Of events that have come.
double seconds_between(cudaEvent_t from, cudaEvent_t to) {
  float milliseconds = 0;
  GRADSTEP_CUDA(cudaEventElapsedTime(&milliseconds, from, to));
  return milliseconds / 1e3;
}

// The most steps, a power of two, that a graph of at most 512 nodes holds: longer graphs take long to make and save
// little.
int64_t steps_per_graph(size_t nodes_of_step) {
  constexpr int64_t kMaxSteps = 16, kMaxNodes = 512;
  int64_t steps = 1;
  while (2 * steps <= kMaxSteps && 2 * steps * static_cast<int64_t>(nodes_of_step) <= kMaxNodes) steps *= 2;
  return steps;
}

Error within(const Error& error, const ProgramStep& step) {
  return Error(error.code(), std::string(error.what()) + " (in " + step.scope + ")");
}

}  // namespace

CudaBackend::CudaBackend(int device, bool deterministic)
    : device_(device), choices_(device, deterministic), cudnn_(deterministic) {
  enter();
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&traits_.multiprocessors, cudaDevAttrMultiProcessorCount, device_));
  int waits = 0, shared_bytes = 0, major = 0;
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&waits, cudaDevAttrCooperativeLaunch, device_));
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_));
  if (waits != 0) traits_.grid_shared_bytes = static_cast<size_t>(shared_bytes);
  GRADSTEP_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_));
  traits_.tensor_cores = major >= 8;
  traits_.clusters = major >= 9;
  stream_ = make_stream();
  copy_stream_ = make_stream();
  for (OwnedEvent& event : turned_) event = make_event();
  run_begun_ = make_event(cudaEventDefault);
  for (OwnedEvent& event : batch_done_) event = make_event(cudaEventDefault);
  transfer_ = std::make_unique<Transfer>(stream_.get());
  copy_beside_ = std::make_unique<Transfer>(copy_stream_.get());
  gemm_ = make_gemm(choices_);
  slot_table_ = DeviceMemory(kSlots * sizeof(Slot), "the table of data sets");
  transfer_->to_device(slot_table_.data(), slots_, slot_table_.bytes());
}

CudaBackend::~CudaBackend() {
  cudaSetDevice(device_);
  for (const OwnedStream* stream : {&stream_, &copy_stream_}) {
    if (*stream) cudaStreamSynchronize(stream->get());
  }
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
  transfer_to(to).to_device(address, data, to.bytes);
}

void CudaBackend::read(const Span& from, void* data) {
  const char* const address = address_of(from);
  enter();
  transfer_to(from).to_host(data, address, from.bytes);
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
  GRADSTEP_CUDA(cudaStreamSynchronize((is_spare(slot) ? copy_stream_ : stream_).get()));
  slot_memory_[slot] = DeviceMemory();
}

void CudaBackend::turn_slot(int slot) {
  enter();
  const int spare = spare_of(slot);
  // Steps to come read what was copied, and copies to come overwrite what steps so far have read.
  GRADSTEP_CUDA(cudaEventRecord(turned_[0].get(), copy_stream_.get()));
  GRADSTEP_CUDA(cudaStreamWaitEvent(stream_.get(), turned_[0].get()));
  GRADSTEP_CUDA(cudaEventRecord(turned_[1].get(), stream_.get()));
  GRADSTEP_CUDA(cudaStreamWaitEvent(copy_stream_.get(), turned_[1].get()));
  const Slot before = slots_[slot];
  publish_slot(slot, slots_[spare]);
  publish_slot(spare, before);
  std::swap(slot_memory_[slot], slot_memory_[spare]);
}

// The device's table has no spares.
void CudaBackend::publish_slot(int slot, const Slot& entry) {
  if (!is_spare(slot)) {
    transfer_->to_device(slot_table_.data() + sizeof entry * static_cast<size_t>(slot), &entry, sizeof entry);
  }
  slots_[slot] = entry;
}

MemoryUse CudaBackend::memory() const {
  MemoryUse use{persistent_.bytes(), scratch_.bytes(), 0, 0};
  for (const DeviceMemory& memory : workspaces_) use.workspace += memory.bytes();
  for (const DeviceMemory& memory : slot_memory_) use.slots += memory.bytes();
  return use;
}

MeasuredChoices CudaBackend::choices() const {
  Choices::Uses uses;
  for (const auto& [number, entry] : entries_) uses.insert(entry.uses.begin(), entry.uses.end());
  return choices_.of(uses);
}

// ---- programs ----

CudaBackend::Entry& CudaBackend::entry_of(int entry) {
  const auto found = entries_.find(entry);
  if (found == entries_.end()) throw Error("ERR_PROGRAM", "No program is loaded as " + std::to_string(entry));
  return found->second;
}

void CudaBackend::drop_graphs() {
  for (auto& [number, entry] : entries_) {
    for (Entry::Graphs& graphs : entry.graphs) graphs = {};
    entry.steps.clear();
  }
}

int CudaBackend::load(Program program) {
  reserve(program.persistent_bytes);
  enter();
  Entry entry;
  entry.program = std::move(program);
  entry.schedule = schedule(entry.program);
  const bool is_chain = entry.schedule.longest == static_cast<int>(entry.program.steps.size());
  if (const auto asked = asked_for({"in turn", "side by side"}); asked || is_chain) {
    entry.race = Race(!is_chain && *asked == 1 ? Form::kSideBySide : Form::kInTurn);
  }
  build(entry);
  const int number = next_entry_++;
  entries_.emplace(number, std::move(entry));
  return number;
}

void CudaBackend::unload(int entry) { entries_.erase(entry); }

// Makes room for a program's scratch, prepares every step on the addresses of now and makes room for their workspace.
void CudaBackend::prepare_steps(Entry& entry) {
  const Program& program = entry.program;
  grow_scratch(program.scratch_bytes);
  const auto place = [persistent = persistent_.data(), scratch = scratch_.data()](const Tensor& t) {
    return (t.region == Region::kPersistent ? persistent : scratch) + t.offset;
  };
  Prepare prepare(place, reinterpret_cast<const Slot*>(slot_table_.data()), workspace_addresses_, *gemm_, cudnn_,
                  choices_, traits_);
  std::vector<Step> steps;
  std::vector<bool> exclusive;
  for (size_t i = 0; i < program.steps.size(); i++) {
    const ProgramStep& step = program.steps[i];
    prepare.begin(entry.schedule.lane[i]);
    try {
      steps.push_back(prepare_step(prepare, step.op, step.args));
    } catch (const Error& error) {
      throw within(error, step);
    }
    exclusive.push_back(prepare.is_exclusive());
  }
  for (size_t lane = 0; lane < kMostLanes; lane++) {
    if (prepare.workspace_bytes(lane) <= workspaces_[lane].bytes()) continue;
    // Steps ask for the address when they are captured, so only graphs hold the old one.
    DeviceMemory larger(prepare.workspace_bytes(lane), "the workspace of a program's steps");
    drop_graphs();
    workspaces_[lane] = std::move(larger);
    workspace_addresses_[lane] = workspaces_[lane].data();
  }
  entry.steps = std::move(steps);
  entry.exclusive = std::move(exclusive);
}

void CudaBackend::build(Entry& entry) {
  choices_.exchange_uses();
  prepare_steps(entry);
  entry.uses = choices_.exchange_uses();
  const OwnedGraph graph = capture(entry, Form::kInTurn, 1);
  size_t nodes = 0;
  GRADSTEP_CUDA(cudaGraphGetNodes(graph.get(), nullptr, &nodes));
  entry.long_steps = steps_per_graph(nodes);
  entry.graphs[0].one_step = instantiate(graph);
}

OwnedGraph CudaBackend::capture(const Entry& entry, Form form, int64_t times, const std::vector<OwnedEvent>& clocks) {
  Capture capture(stream_.get());
  using Nodes = std::vector<cudaGraphNode_t>;
  std::vector<std::vector<int>> before;
  if (form == Form::kSideBySide) before = waits(entry.program, entry.schedule, times, entry.exclusive);
  std::vector<Nodes> last(before.size());  // of each step
  // External: every launch of the graph records the event anew, for the host to read.
  const auto record = [&](size_t i) {
    if (clocks.empty()) return;
    GRADSTEP_CUDA(cudaEventRecordWithFlags(clocks[i].get(), stream_.get(), cudaEventRecordExternal));
  };
  record(0);
  size_t number = 0;
  for (int64_t time = 0; time < times; time++) {
    for (size_t i = 0; i < entry.steps.size(); i++, number++) {
      if (!before.empty()) {
        Nodes after;
        for (const int step : before[number]) {
          const Nodes& of_step = last[static_cast<size_t>(step)];
          after.insert(after.end(), of_step.begin(), of_step.end());
        }
        std::sort(after.begin(), after.end());
        after.erase(std::unique(after.begin(), after.end()), after.end());
        capture.go_on_after(std::move(after));
      }
      try {
        entry.steps[i](stream_.get());
      } catch (const Error& error) {
        throw within(error, entry.program.steps[i]);
      }
      if (!before.empty()) last[number] = capture.last();
      record(i + 1);
    }
  }
  return capture.end();
}

OwnedGraphExec CudaBackend::instantiate(const OwnedGraph& graph) {
  cudaGraphExec_t instance = nullptr;
  GRADSTEP_CUDA(cudaGraphInstantiate(&instance, graph.get(), 0));
  OwnedGraphExec owned(instance);
  GRADSTEP_CUDA(cudaGraphUpload(instance, stream_.get()));
  return owned;
}

// Whole long graphs as far as they fit, then step by step.
void CudaBackend::launch(Entry& entry, Form form, int64_t steps) {
  Entry::Graphs& graphs = entry.graphs[static_cast<int>(form)];
  const bool fits = entry.long_steps > 1 && steps >= entry.long_steps;
  if (fits && !graphs.long_graph) graphs.long_graph = instantiate(capture(entry, form, entry.long_steps));
  const bool fills = fits && steps % entry.long_steps == 0;
  if (!fills && !graphs.one_step) graphs.one_step = instantiate(capture(entry, form, 1));
  for (int64_t left = steps; left > 0;) {
    const bool several = fits && left >= entry.long_steps;
    GRADSTEP_CUDA(cudaGraphLaunch((several ? graphs.long_graph : graphs.one_step).get(), stream_.get()));
    left -= several ? entry.long_steps : 1;
  }
}

// Until the event has come: does what may go ahead, as long as there is some.
void CudaBackend::await(cudaEvent_t event, const RunControl& control) {
  cudaError_t state;
  while ((state = cudaEventQuery(event)) == cudaErrorNotReady) {
    cudaGetLastError();
    if (!control.ahead || !control.ahead()) std::this_thread::yield();
  }
  check(state, "cudaEventQuery");
}

// Launches batches of steps, of about two milliseconds each, and waits for the batch before the last one: the device
// never idles, and a stop or the end of its time is noticed soon.
int64_t CudaBackend::run(int number, int64_t steps, const RunControl& control) {
  Entry& entry = entry_of(number);
  enter();
  if (!entry.graphs[0].one_step) build(entry);
  constexpr double kBatchSeconds = 0.002;
  constexpr int64_t kMaxBatch = 64;
  const auto over = [&](int64_t launched) { return control.stopped() || (launched > 0 && control.spent()); };
  GRADSTEP_CUDA(cudaEventRecord(run_begun_.get(), stream_.get()));
  struct Batch {
    Form form;
    int64_t steps, launched;  // of its own; with those before it
    cudaEvent_t done;
  };
  std::vector<Batch> batches;  // the last three
  int64_t launched = 0, size = 1;
  for (size_t batch = 0; launched < steps && !over(launched); batch++) {
    const int64_t n = std::min(size, steps - launched);
    const Form form = entry.race.next();
    launch(entry, form, n);
    launched += n;
    const cudaEvent_t done = batch_done_[batch % 3].get();
    GRADSTEP_CUDA(cudaEventRecord(done, stream_.get()));
    if (batches.size() == 3) batches.erase(batches.begin());
    batches.push_back({form, n, launched, done});
    if (batch == 0) continue;
    const Batch& before = batches[batches.size() - 2];
    await(before.done, control);
    // It began when the one before it ended; of the first one nobody knows when it began.
    if (batches.size() == 3) entry.race.took(before.form, before.steps, seconds_between(batches[0].done, before.done));
    const double step_seconds = seconds_between(run_begun_.get(), before.done) / static_cast<double>(before.launched);
    size = static_cast<int64_t>(std::clamp(kBatchSeconds / step_seconds, 1.0, static_cast<double>(kMaxBatch)));
    if (size > entry.long_steps) size -= size % entry.long_steps;
  }
  if (!batches.empty()) await(batches.back().done, control);
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
  if (!entry.graphs[0].one_step) build(entry);
  const OwnedGraphExec graph = instantiate(capture(entry, Form::kInTurn, 1, clocks));
  std::vector<double> moments;
  GRADSTEP_CUDA(cudaEventRecord(origin.get(), stream_.get()));
  for (int64_t done = 0; done < steps; done++) {
    if (control.stopped() || (done > 0 && control.spent())) break;
    GRADSTEP_CUDA(cudaGraphLaunch(graph.get(), stream_.get()));
    GRADSTEP_CUDA(cudaStreamSynchronize(stream_.get()));
    const double begin = seconds_between(origin.get(), clocks[0].get());
    moments.push_back(begin);
    for (size_t i = 1; i < clocks.size(); i++) {
      moments.push_back(begin + seconds_between(clocks[0].get(), clocks[i].get()));
    }
  }
  return moments;
}

}  // namespace gradstep::cuda
