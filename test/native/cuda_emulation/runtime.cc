// The emulated runtime API, but for streams and events (stream.h) and graphs (graph.cc): errors, the device, memory,
// copies, and what is launched. Calls that a capture does not allow (allocation, waiting) fail and spoil the capture,
// so that a step that makes one is found out. Memory, streams and events belong to the device that was the thread's
// current one when they were made. Copies between devices are left out.
#include <algorithm>
#include <cstdio>
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
#include "stream.h"

namespace emulation {
namespace {

constexpr size_t kDefaultShared = 48 * 1024;
constexpr int kMultiprocessors = 4;
// Blocks that a cluster may have where that is allowed, and elsewhere; as many run at a time, or one cluster.
constexpr unsigned kClusterBlocks = 16, kPortableClusterBlocks = 8;

std::mutex mutex;
struct KernelLimits {
  size_t shared_bytes = kDefaultShared;
  unsigned cluster = kPortableClusterBlocks;
};
// What kernels have asked for, each on a device. Never destroyed, as a device's thread may outlive main.
auto& limits = *new std::map<std::pair<const void*, int>, KernelLimits>;

KernelLimits limits_of(const void* kernel, int device) {
  const std::lock_guard<std::mutex> lock(mutex);
  return limits[{kernel, device}];
}

bool has_cluster(const void* kernel, int device, unsigned blocks) {
  return capability(device).major >= 9 && blocks >= 1 && blocks <= limits_of(kernel, device).cluster;
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

// Copies, fills and products say what they use before they do; whether they may.
bool may_use(Stream* stream, const char* who, const void* address, bool writes) {
  const std::string what = use(&stream->agent, address, writes);
  if (!what.empty()) fail_stream(stream, std::string(who) + " " + what);
  return what.empty();
}

bool may_copy_from(Stream* stream, const void* address) {
  return may_use(stream, "a copy from the device", address, false);
}

bool may_copy_to(Stream* stream, const void* address) { return may_use(stream, "a copy to the device", address, true); }

void copy(Stream* stream, void* to, const void* from, size_t bytes) {
  if (is_pinned(to)) {
    if (const std::string wrong = stream->agent.copies_to_host(to, from, bytes); !wrong.empty()) {
      fail_stream(stream, wrong);
    }
    return;
  }
  if (is_pinned(from)) {
    stream->agent.copies_to_device(from, bytes);
    trace(*stream, "copy", bytes);
  }
  memcpy(to, from, bytes);
  was_written(to, bytes);
}

cudaError_t host_uses(const void* address, bool writes) {
  const std::string what = use(nullptr, address, writes);
  return what.empty() ? cudaSuccess : explain(cudaErrorLaunchFailure, "the host " + what);
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

cudaError_t enqueue(Stream* stream, const std::vector<const void*>& reads, const std::vector<const void*>& writes,
                    std::function<void()> work, const char* call_name) {
  return call(call_name, [&]() -> cudaError_t {
    if (const cudaError_t error = on_current_device(stream); error != cudaSuccess) return error;
    return submit(stream, stream->device, [=, work = std::move(work)](Stream* on) {
      const auto may_read = [&](const void* address) { return may_use(on, "a product", address, false); };
      const auto may_write = [&](const void* address) { return may_use(on, "a product", address, true); };
      if (!std::all_of(reads.begin(), reads.end(), may_read)) return;
      if (!std::all_of(writes.begin(), writes.end(), may_write)) return;
      work();
      on->done++;
    });
  });
}

cudaError_t enqueue_kernel(Stream* stream, const void* kernel, Site site, dim3 grid, dim3 block, size_t shared_bytes,
                           Meeting meeting, unsigned cluster, std::function<void()> thread) {
  static const char* const kNames[] = {"launch", "launch_cooperating", "launch_clusters", "launch_at_once"};
  return call(kNames[static_cast<int>(meeting)], [&]() -> cudaError_t {
    if (const cudaError_t error = on_current_device(stream); error != cudaSuccess) return error;
    const uint64_t threads = uint64_t{block.x} * block.y * block.z;
    const bool valid = threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 && grid.y >= 1 && grid.z >= 1 &&
                       grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535;
    if (!valid) return cudaErrorInvalidConfiguration;
    const size_t most_dynamic = limits_of(kernel, stream->device).shared_bytes;
    if (shared_bytes > most_dynamic) return cudaErrorInvalidValue;
    const size_t most_shared = most_dynamic > kDefaultShared ? shared_opt_in(stream->device) : kDefaultShared;
    const bool at_once = meeting == Meeting::kGrid;
    // One block a multiprocessor, whatever it uses.
    if (at_once && uint64_t{grid.x} * grid.y * grid.z > kMultiprocessors) return cudaErrorCooperativeLaunchTooLarge;
    if (meeting == Meeting::kCluster) {
      if (!has_cluster(kernel, stream->device, cluster)) return cudaErrorInvalidClusterSize;
      if (grid.x % cluster != 0) return cudaErrorInvalidConfiguration;
    }
    const bool is_turing = capability(stream->device).major < 8;
    const Grid to_run{site, grid, block, shared_bytes, most_shared, is_turing, meeting, cluster, 0, nullptr};
    return submit(
        stream, stream->device, [to_run, thread = std::move(thread)](Stream* on) { run_kernel(on, to_run, thread); },
        at_once);
  });
}

cudaError_t set_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call("cudaFuncSetAttribute", [&]() -> cudaError_t {
    const int device = this_thread().device;
    const std::lock_guard<std::mutex> lock(mutex);
    switch (attribute) {
      case cudaFuncAttributeMaxDynamicSharedMemorySize:
        if (value < 0 || static_cast<size_t>(value) > shared_opt_in(device)) return cudaErrorInvalidValue;
        limits[{kernel, device}].shared_bytes = static_cast<size_t>(value);
        return cudaSuccess;
      case cudaFuncAttributeNonPortableClusterSizeAllowed:
        if (capability(device).major < 9) return cudaErrorInvalidValue;
        limits[{kernel, device}].cluster = value != 0 ? kClusterBlocks : kPortableClusterBlocks;
        return cudaSuccess;
    }
    return cudaErrorInvalidValue;
  });
}

// Kernels count as compiled for the device that is asked.
cudaError_t get_attributes(cudaFuncAttributes* attributes, const void*) {
  return call("cudaFuncGetAttributes", [&] {
    const Capability device = capability(this_thread().device);
    attributes->ptxVersion = device.major * 10 + device.minor;
    return cudaSuccess;
  });
}

cudaError_t max_active_clusters(int* clusters, const void* kernel, unsigned blocks, size_t shared_bytes) {
  return call("cudaOccupancyMaxActiveClusters", [&]() -> cudaError_t {
    const int device = this_thread().device;
    if (!has_cluster(kernel, device, blocks)) return cudaErrorInvalidClusterSize;
    const bool fits = shared_bytes <= limits_of(kernel, device).shared_bytes;
    *clusters = fits ? static_cast<int>(std::max(kPortableClusterBlocks / blocks, 1u)) : 0;
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
    case cudaErrorInvalidClusterSize:
      return "cudaErrorInvalidClusterSize";
    case cudaErrorIllegalState:
      return "cudaErrorIllegalState";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchOutOfResources:
      return "cudaErrorLaunchOutOfResources";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
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
        *value = static_cast<int>(shared_opt_in(device));
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
      if (may_copy_from(on, from) && may_copy_to(on, to)) copy(on, to, from, bytes);
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
      if (!may_copy_to(on, to)) return;
      memset(to, value, bytes);
      was_written(to, bytes);
    });
  });
}
