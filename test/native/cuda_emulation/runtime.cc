// The emulated runtime API. Work on a stream runs when it is enqueued, or is recorded while the stream is captured;
// what fails is told, as on a device, by the calls that wait for the stream or use it afterwards. Calls that a capture
// does not allow (allocation, waiting) fail and spoil the capture, so that a step that makes one is found out. Memory,
// streams and events belong to the device that was the thread's current one when they were made. Copies between devices
// are left out.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "calls.h"
#include "cuda_runtime.h"
#include "device_memory.h"
#include "machine.h"
#include "order.h"
#include "races.h"

namespace emulation {

// Work of a device, which need not be the stream's where it is a copy.
struct Node {
  int device;
  std::function<void(Stream*)> work;
};

struct Stream {
  Agent agent;
  int device = 0;
  uint64_t seed = 0;
  uint64_t launches = 0;
  cudaError_t error = cudaSuccess;
  std::string failure;  // what the error was
  bool capturing = false;
  bool spoiled = false;
  std::vector<Node> recorded;
  double pace = 0;    // seconds that a kernel or a product takes; 0: as long as it does
  uint64_t done = 0;  // kernels and products
  std::FILE* trace = nullptr;
};

struct Graph {
  std::vector<Node> nodes;
};

struct Event {
  int device = 0;
  bool timed = false;
  Stream* stream = nullptr;
  Clock moment;       // what lay before it when it was recorded
  bool seen = false;  // whether anybody has asked since
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr size_t kDefaultShared = 48 * 1024;
constexpr size_t kSharedOptIn = 227 * 1024;
constexpr int kMultiprocessors = 4;

std::mutex mutex;
auto& shared_limits = *new std::map<const void*, size_t>;  // never destroyed, as a device's thread may outlive main

size_t shared_limit(const void* kernel) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto limit = shared_limits.find(kernel);
  return limit == shared_limits.end() ? kDefaultShared : limit->second;
}

cudaError_t error_of(const Stream* stream) {
  return stream->error == cudaSuccess ? cudaSuccess : explain(stream->error, stream->failure);
}

// For calls that a capture does not allow.
cudaError_t outside_capture() {
  Stream* const captured = this_thread().captured;
  if (captured == nullptr) return cudaSuccess;
  captured->spoiled = true;
  return cudaErrorStreamCaptureUnsupported;
}

std::string device_name(int device) { return "device " + std::to_string(device); }

cudaError_t on_current_device(const Stream* stream) {
  const int current = this_thread().device;
  if (stream->device == current) return cudaSuccess;
  return explain(cudaErrorInvalidResourceHandle, "the stream is one of " + device_name(stream->device) + ", and " +
                                                     device_name(current) + " is current");
}

cudaError_t existing(Kind kind, const void* object) {
  if (is_object(kind, object)) return cudaSuccess;
  return explain(cudaErrorInvalidResourceHandle, "there is no such object any more");
}

std::chrono::steady_clock::time_point now_on(const Stream& stream) {
  if (stream.pace == 0) return std::chrono::steady_clock::now();
  const std::chrono::duration<double> since_start(stream.pace * static_cast<double>(stream.done));
  return std::chrono::steady_clock::time_point() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(since_start);
}

void trace(const Stream& stream, const char* what, size_t count) {
  if (stream.trace == nullptr) return;
  fprintf(stream.trace, "%s %zu\n", what, count);
  fflush(stream.trace);
}

void fail_stream(Stream* stream, const std::string& what) {
  stream->error = cudaErrorLaunchFailure;
  stream->failure = what;
}

void run_kernel(Stream* stream, const Grid& grid, const std::function<void()>& thread) {
  Grid seeded = grid;
  stream->launches++;
  stream->done++;
  seeded.agent = &stream->agent;
  seeded.seed = stream->seed == 0 ? 0 : stream->seed * 1000003 + stream->launches;
  const std::string what = run_grid(seeded, thread);
  if (!what.empty()) fail_stream(stream, what);
}

cudaError_t wait_for(const Clock& moment) {
  const std::string wrong = host_waits_for(moment);
  return wrong.empty() ? cudaSuccess : explain(cudaErrorLaunchFailure, wrong);
}

// Copies and fills say what they use before they do; whether they may.
bool may_use(Stream* stream, const void* address, bool writes) {
  const std::string what = use(&stream->agent, address, writes);
  if (!what.empty()) fail_stream(stream, (writes ? "a copy to the device " : "a copy from the device ") + what);
  return what.empty();
}

void copy(Stream* stream, void* to, const void* from, size_t bytes) {
  if (is_pinned(to)) {
    if (const std::string wrong = stream->agent.copies_to_host(to, from, bytes); !wrong.empty()) {
      fail_stream(stream, wrong);
    }
    return;
  }
  if (is_pinned(from)) stream->agent.copies_to_device(from, bytes);
  memcpy(to, from, bytes);
  was_written(to, bytes);
}

cudaError_t host_uses(const void* address, bool writes) {
  const std::string what = use(nullptr, address, writes);
  return what.empty() ? cudaSuccess : explain(cudaErrorLaunchFailure, "the host " + what);
}

void run_node(Stream* stream, const Node& node) {
  if (stream->error != cudaSuccess) return;
  const Working only(node.device);
  stream->agent.begin();
  node.work(stream);
}

cudaError_t submit(Stream* stream, int device, std::function<void(Stream*)> work) {
  Node node{device, std::move(work)};
  if (stream->capturing) {
    stream->recorded.push_back(std::move(node));
  } else {
    run_node(stream, node);
  }
  return cudaSuccess;
}

// The device whose memory a copy touches; −1: the ranges are not where the kind says, or two devices'.
int device_of_copy(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const int into = device_of(to, bytes), out_of = device_of(from, bytes);
  if (kind == cudaMemcpyHostToDevice) return into;
  if (kind == cudaMemcpyDeviceToHost) return out_of;
  if (into == out_of) return into >= 0 || kind == cudaMemcpyDeviceToDevice ? into : this_thread().device;
  return kind == cudaMemcpyDeviceToDevice || (into >= 0 && out_of >= 0) ? -1 : std::max(into, out_of);
}

}  // namespace

cudaError_t enqueue(Stream* stream, std::function<void()> work) {
  return call("gemm", [&]() -> cudaError_t {
    if (const cudaError_t error = on_current_device(stream); error != cudaSuccess) return error;
    return submit(stream, stream->device, [work = std::move(work)](Stream* on) {
      work();
      on->done++;
    });
  });
}

cudaError_t enqueue_kernel(Stream* stream, const void* kernel, Site site, dim3 grid, dim3 block, size_t shared_bytes,
                           bool cooperating, bool at_once, std::function<void()> thread) {
  const char* name = at_once ? "launch_at_once" : cooperating ? "launch_cooperating" : "launch";
  return call(name, [&]() -> cudaError_t {
    if (const cudaError_t error = on_current_device(stream); error != cudaSuccess) return error;
    const uint64_t threads = uint64_t{block.x} * block.y * block.z;
    const bool valid = threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 && grid.y >= 1 && grid.z >= 1 &&
                       grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535;
    if (!valid) return cudaErrorInvalidConfiguration;
    if (shared_bytes > shared_limit(kernel)) return cudaErrorInvalidValue;
    // One block a multiprocessor, whatever it uses.
    if (at_once && uint64_t{grid.x} * grid.y * grid.z > kMultiprocessors) return cudaErrorCooperativeLaunchTooLarge;
    const Grid to_run{site, grid, block, shared_bytes, cooperating, at_once, 0, nullptr};
    return submit(stream, stream->device,
                  [to_run, thread = std::move(thread)](Stream* on) { run_kernel(on, to_run, thread); });
  });
}

cudaError_t set_shared_limit(const void* kernel, int bytes) {
  return call("cudaFuncSetAttribute", [&]() -> cudaError_t {
    if (bytes < 0 || static_cast<size_t>(bytes) > kSharedOptIn) return cudaErrorInvalidValue;
    std::lock_guard<std::mutex> lock(mutex);
    shared_limits[kernel] = static_cast<size_t>(bytes);
    return cudaSuccess;
  });
}

}  // namespace emulation

using namespace emulation;

// ---- errors and the device ----

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorCooperativeLaunchTooLarge:
      return "cudaErrorCooperativeLaunchTooLarge";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorUnknown:
      return "cudaErrorUnknown";
  }
  return "an unknown error";
}

const char* cudaGetErrorString(cudaError_t error) {
  const ThreadState& thread = this_thread();
  if (thread.explained == error && error != cudaSuccess) return thread.explanation.c_str();
  switch (error) {
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorUnknown:
      return "unknown error";
    default:
      return cudaGetErrorName(error);
  }
}

cudaError_t cudaGetLastError() { return std::exchange(this_thread().last_error, cudaSuccess); }

cudaError_t cudaPeekAtLastError() { return this_thread().last_error; }

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", [&] {
    *version = driver_version();
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", [&]() -> cudaError_t {
    *count = 0;
    if (driver_version() < CUDART_VERSION) return cudaErrorInsufficientDriver;
    *count = device_count();
    return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call("cudaGetDeviceProperties", [&]() -> cudaError_t {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    *properties = {};
    snprintf(properties->name, sizeof properties->name, "emulated CUDA device");
    properties->totalGlobalMem = device_bytes();
    properties->major = capability(device).major;
    properties->minor = capability(device).minor;
    properties->multiProcessorCount = kMultiprocessors;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call("cudaDeviceGetAttribute", [&]() -> cudaError_t {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrMultiProcessorCount:
        *value = kMultiprocessors;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMajor:
        *value = capability(device).major;
        return cudaSuccess;
      case cudaDevAttrCooperativeLaunch:
        *value = 1;
        return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(kSharedOptIn);
        return cudaSuccess;
    }
    return cudaErrorInvalidValue;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", [&]() -> cudaError_t {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    this_thread().device = device;
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call("cudaMemGetInfo", [&] {
    *total = device_bytes();
    *free = device_bytes_free(this_thread().device);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", [] { return outside_capture(); });
}

// ---- memory ----

cudaError_t cudaMalloc(void** address, size_t bytes) {
  return call("cudaMalloc", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    *address = bytes == 0 ? nullptr : allocate_device(this_thread().device, bytes);
    return bytes == 0 || *address != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
  });
}

cudaError_t cudaFree(void* address) {
  return letting_go("cudaFree", [&]() -> cudaError_t {
    if (address == nullptr) return cudaSuccess;
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    const int device = device_of(address, 1);
    if (device < 0) return cudaErrorInvalidValue;
    const Working only(device);
    forget_uses(address);
    forget_writes(address);
    return free_device(address) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned) {
  return call("cudaHostAlloc", [&]() -> cudaError_t {
    *address = allocate_pinned(bytes);
    if (*address == nullptr) return cudaErrorMemoryAllocation;
    add_object(Kind::kPinned, *address);
    return cudaSuccess;
  });
}

cudaError_t cudaFreeHost(void* address) {
  return letting_go("cudaFreeHost", [&]() -> cudaError_t {
    if (address == nullptr) return cudaSuccess;
    if (!remove_object(Kind::kPinned, address)) return cudaErrorInvalidValue;
    free_pinned(address);
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call("cudaMemcpy", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    const int device = device_of_copy(to, from, bytes, kind);
    if (device < 0) return cudaErrorInvalidValue;
    const Working only(device);
    if (const cudaError_t error = host_uses(from, false); error != cudaSuccess) return error;
    if (const cudaError_t error = host_uses(to, true); error != cudaSuccess) return error;
    memcpy(to, from, bytes);
    was_written(to, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return call("cudaMemcpyAsync", [&]() -> cudaError_t {
    const int device = device_of_copy(to, from, bytes, kind);
    if (device < 0) return cudaErrorInvalidValue;
    return submit(stream, device, [=](Stream* on) {
      if (may_use(on, from, false) && may_use(on, to, true)) copy(on, to, from, bytes);
    });
  });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return call("cudaMemset", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    const int device = device_of(to, bytes);
    if (device < 0) return cudaErrorInvalidValue;
    const Working only(device);
    if (const cudaError_t error = host_uses(to, true); error != cudaSuccess) return error;
    memset(to, value, bytes);
    was_written(to, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return call("cudaMemsetAsync", [&]() -> cudaError_t {
    const int device = device_of(to, bytes);
    if (device < 0) return cudaErrorInvalidValue;
    return submit(stream, device, [=](Stream* on) {
      if (!may_use(on, to, true)) return;
      memset(to, value, bytes);
      was_written(to, bytes);
    });
  });
}

// ---- streams, graphs, events ----

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return call("cudaStreamCreateWithFlags", [&] {
    *stream = new Stream;
    (*stream)->device = this_thread().device;
    const char* text = getenv("GRADSTEP_EMULATION_SEED");
    (*stream)->seed = text == nullptr ? 0 : strtoull(text, nullptr, 10);
    text = getenv("GRADSTEP_EMULATION_PACE");
    (*stream)->pace = text == nullptr ? 0 : strtod(text, nullptr) / 1e6;
    text = getenv("GRADSTEP_EMULATION_TRACE");
    (*stream)->trace = text == nullptr ? nullptr : fopen(text, "a");
    add_object(Kind::kStream, *stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return letting_go("cudaStreamDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kStream, stream)) return cudaErrorInvalidResourceHandle;
    if (this_thread().captured == stream) this_thread().captured = nullptr;
    if (stream->trace != nullptr) fclose(stream->trace);
    delete stream;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    if (const cudaError_t error = wait_for(stream->agent.clock()); error != cudaSuccess) return error;
    return error_of(stream);
  });
}

// An event that was never recorded is nothing to wait for.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return call("cudaStreamWaitEvent", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    stream->agent.wait_for(event->moment);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  return call("cudaStreamBeginCapture", [&]() -> cudaError_t {
    if (this_thread().captured != nullptr) return cudaErrorStreamCaptureUnsupported;
    if (const cudaError_t error = error_of(stream); error != cudaSuccess) return error;
    stream->capturing = true;
    stream->spoiled = false;
    stream->recorded.clear();
    this_thread().captured = stream;
    add_object(Kind::kCapture, stream);
    return cudaSuccess;
  });
}

// The capture ends in any case; one that was spoiled, or whose end fails, gives no graph.
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const cudaError_t error = letting_go("cudaStreamEndCapture", [&]() -> cudaError_t {
    if (this_thread().captured != stream) return cudaErrorInvalidValue;
    this_thread().captured = nullptr;
    stream->capturing = false;
    remove_object(Kind::kCapture, stream);
    return stream->spoiled ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
  });
  if (error != cudaSuccess) return error;
  *graph = new Graph{std::move(stream->recorded)};
  add_object(Kind::kGraph, *graph);
  trace(*stream, "capture", (*graph)->nodes.size());
  return cudaSuccess;
}

// Only how many there are.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call("cudaGraphGetNodes", [&]() -> cudaError_t {
    if (const cudaError_t error = existing(Kind::kGraph, graph); error != cudaSuccess) return error;
    if (nodes != nullptr) return cudaErrorInvalidValue;
    *count = graph->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  return call("cudaGraphInstantiate", [&]() -> cudaError_t {
    if (const cudaError_t error = existing(Kind::kGraph, graph); error != cudaSuccess) return error;
    *instance = new Graph(*graph);
    add_object(Kind::kGraphExec, *instance);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t instance, cudaStream_t) {
  return call("cudaGraphUpload", [&] { return existing(Kind::kGraphExec, instance); });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream) {
  return call("cudaGraphLaunch", [&]() -> cudaError_t {
    if (const cudaError_t error = existing(Kind::kGraphExec, instance); error != cudaSuccess) return error;
    trace(*stream, "launch", instance->nodes.size());
    for (const Node& node : instance->nodes) run_node(stream, node);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return letting_go("cudaGraphDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kGraph, graph)) return cudaErrorInvalidResourceHandle;
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
  return letting_go("cudaGraphExecDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kGraphExec, instance)) return cudaErrorInvalidResourceHandle;
    delete instance;
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&] {
    *event = new Event;
    (*event)->device = this_thread().device;
    (*event)->timed = (flags & cudaEventDisableTiming) == 0;
    add_object(Kind::kEvent, *event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return letting_go("cudaEventDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kEvent, event)) return cudaErrorInvalidResourceHandle;
    delete event;
    return cudaSuccess;
  });
}

namespace {

// While a stream is captured only external events tell of the graph's launches; others order what is captured, which
// happens in order anyway.
cudaError_t record(cudaEvent_t event, cudaStream_t stream, bool external) {
  if (event->device != stream->device) {
    return explain(cudaErrorInvalidResourceHandle, "the event is one of " + device_name(event->device) +
                                                       ", and the stream of " + device_name(stream->device));
  }
  if (external && !stream->capturing) return cudaErrorInvalidValue;
  if (stream->capturing && !external) return cudaSuccess;
  return submit(stream, stream->device, [event](Stream* on) {
    event->stream = on;
    event->moment = on->agent.clock();
    event->seen = false;
    event->time = now_on(*on);
  });
}

}  // namespace

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&] { return record(event, stream, false); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return call("cudaEventRecordWithFlags", [&] { return record(event, stream, flags == cudaEventRecordExternal); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return call("cudaEventElapsedTime", [&]() -> cudaError_t {
    if (!from->timed || !to->timed || from->stream == nullptr || to->stream == nullptr || from->device != to->device) {
      return cudaErrorInvalidResourceHandle;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
    return error_of(to->stream);
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    if (const cudaError_t error = wait_for(event->moment); error != cudaSuccess) return error;
    return event->stream == nullptr ? cudaSuccess : error_of(event->stream);
  });
}

// Comes at the second look, as if the stream were at work meanwhile.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&]() -> cudaError_t {
    if (event->stream == nullptr) return cudaSuccess;
    if (!std::exchange(event->seen, true)) return cudaErrorNotReady;
    if (const cudaError_t error = wait_for(event->moment); error != cudaSuccess) return error;
    return error_of(event->stream);
  });
}
