// The emulated runtime API. Work on a stream runs when it is enqueued, or is recorded while the stream is captured;
// what fails is told, as on a device, by the calls that wait for the stream or use it afterwards. Calls that a capture
// does not allow (allocation, waiting) fail and spoil the capture, so that a step that makes one is found out.
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"
#include "device_memory.h"

namespace emulation {

struct Stream {
  uint64_t seed = 0;
  uint64_t launches = 0;
  cudaError_t error = cudaSuccess;
  bool capturing = false;
  bool spoiled = false;
  std::vector<std::function<void(Stream*)>> recorded;
};

struct Graph {
  std::vector<std::function<void(Stream*)>> nodes;
};

struct Event {
  bool timed = false;
  Stream* stream = nullptr;
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr size_t kDefaultShared = 48 * 1024;
constexpr size_t kSharedOptIn = 227 * 1024;
constexpr int kMultiprocessors = 4;

std::mutex mutex;
auto& last_failure = *new std::string;  // never destroyed, as a device's thread may outlive main
auto& shared_limits = *new std::map<const void*, size_t>;
Stream* captured = nullptr;  // at most one stream is captured at a time

cudaError_t fail_stream(Stream* stream, cudaError_t error, const std::string& what) {
  std::lock_guard<std::mutex> lock(mutex);
  last_failure = what;
  if (stream->error == cudaSuccess) stream->error = error;
  return error;
}

// For calls that a capture does not allow.
cudaError_t outside_capture() {
  if (captured == nullptr) return cudaSuccess;
  captured->spoiled = true;
  return cudaErrorStreamCaptureUnsupported;
}

void run_kernel(Stream* stream, const Grid& grid, const std::function<void()>& thread) {
  Grid seeded = grid;
  stream->launches++;
  seeded.seed = stream->seed == 0 ? 0 : stream->seed * 1000003 + stream->launches;
  const std::string what = run_grid(seeded, thread);
  if (!what.empty()) fail_stream(stream, cudaErrorLaunchFailure, what);
}

cudaError_t submit(Stream* stream, std::function<void(Stream*)> work) {
  if (stream->capturing) {
    stream->recorded.push_back(std::move(work));
    return cudaSuccess;
  }
  if (stream->error == cudaSuccess) work(stream);
  return cudaSuccess;
}

bool device_side(const void* address, size_t bytes, bool must) { return !must || is_device(address, bytes); }

bool ranges_fit(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return device_side(to, bytes, kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) &&
         device_side(from, bytes, kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice);
}

}  // namespace

cudaError_t enqueue(Stream* stream, std::function<void()> work) {
  return submit(stream, [work = std::move(work)](Stream*) { work(); });
}

cudaError_t enqueue_kernel(Stream* stream, const void* kernel, Site site, dim3 grid, dim3 block, size_t shared_bytes,
                           bool cooperating, bool at_once, std::function<void()> thread) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  const bool valid = threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 && grid.y >= 1 && grid.z >= 1 &&
                     grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535;
  if (!valid) return cudaErrorInvalidConfiguration;
  const auto limit = shared_limits.find(kernel);
  if (shared_bytes > (limit == shared_limits.end() ? kDefaultShared : limit->second)) return cudaErrorInvalidValue;
  // One block a multiprocessor, whatever it uses.
  if (at_once && uint64_t{grid.x} * grid.y * grid.z > kMultiprocessors) return cudaErrorCooperativeLaunchTooLarge;
  const Grid to_run{site, grid, block, shared_bytes, cooperating, at_once, 0};
  return submit(stream, [to_run, thread = std::move(thread)](Stream* on) { run_kernel(on, to_run, thread); });
}

cudaError_t set_shared_limit(const void* kernel, int bytes) {
  if (bytes < 0 || static_cast<size_t>(bytes) > kSharedOptIn) return cudaErrorInvalidValue;
  std::lock_guard<std::mutex> lock(mutex);
  shared_limits[kernel] = static_cast<size_t>(bytes);
  return cudaSuccess;
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
  }
  return "an unknown error";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorLaunchFailure:
      return last_failure.c_str();
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
    default:
      return cudaGetErrorName(error);
  }
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *properties = {};
  snprintf(properties->name, sizeof properties->name, "emulated CUDA device");
  properties->totalGlobalMem = device_bytes();
  properties->major = 9;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = kMultiprocessors;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: {
      const char* capability = getenv("GRADSTEP_EMULATION_CAPABILITY");  // such as 75
      *value = capability == nullptr ? 9 : atoi(capability) / 10;
      return cudaSuccess;
    }
    case cudaDevAttrCooperativeLaunch:
      *value = 1;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(kSharedOptIn);
      return cudaSuccess;
  }
  return cudaErrorInvalidValue;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = device_bytes();
  *free = device_bytes_free();
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return outside_capture(); }

// ---- memory ----

cudaError_t cudaMalloc(void** address, size_t bytes) {
  if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
  *address = bytes == 0 ? nullptr : allocate_device(bytes);
  return bytes == 0 || *address != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFree(void* address) {
  if (address == nullptr) return cudaSuccess;
  if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
  return free_device(address) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned) {
  *address = malloc(bytes);
  return *address != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void* address) {
  free(address);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
  if (!ranges_fit(to, from, bytes, kind)) return cudaErrorInvalidValue;
  memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (!ranges_fit(to, from, bytes, kind)) return cudaErrorInvalidValue;
  return submit(stream, [=](Stream*) { memcpy(to, from, bytes); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
  if (!is_device(to, bytes)) return cudaErrorInvalidValue;
  memset(to, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (!is_device(to, bytes)) return cudaErrorInvalidValue;
  return submit(stream, [=](Stream*) { memset(to, value, bytes); });
}

// ---- streams, graphs, events ----

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new Stream;
  const char* text = getenv("GRADSTEP_EMULATION_SEED");
  (*stream)->seed = text == nullptr ? 0 : strtoull(text, nullptr, 10);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (captured == stream) captured = nullptr;
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
  return stream->error;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = true;
  stream->spoiled = false;
  stream->recorded.clear();
  captured = stream;
  return stream->error;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (captured != stream) return cudaErrorInvalidValue;
  captured = nullptr;
  stream->capturing = false;
  if (stream->spoiled) return cudaErrorStreamCaptureInvalidated;
  *graph = new Graph{std::move(stream->recorded)};
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  *instance = new Graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream) {
  for (const auto& node : instance->nodes) {
    if (stream->error == cudaSuccess) node(stream);
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
  delete instance;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new Event;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

// While a stream is captured only external events tell of the graph's launches; others order what is captured, which
// happens in order anyway.
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  const bool external = flags == cudaEventRecordExternal;
  if (external && !stream->capturing) return cudaErrorInvalidValue;
  if (stream->capturing && !external) return cudaSuccess;
  return submit(stream, [event](Stream* on) {
    event->stream = on;
    event->time = std::chrono::steady_clock::now();
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  if (!from->timed || !to->timed || from->stream == nullptr || to->stream == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return to->stream->error;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
  return event->stream == nullptr ? cudaSuccess : event->stream->error;
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return event->stream == nullptr ? cudaSuccess : event->stream->error; }
