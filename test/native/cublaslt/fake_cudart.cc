#include "fake_cudart.h"

#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <vector>

// CUDA's handles are opaque: a stream remembers when it began to be captured, an event when it was recorded, a graph
// how long what it holds takes.
struct CUstream_st {
  double captured_since;
};
struct CUevent_st {
  double time;
};
struct CUgraph_st {
  double seconds;
};
struct CUgraphExec_st {
  double seconds;
};

namespace gradstep::cuda {

FakeDevice& fake_device() {
  static FakeDevice device;
  return device;
}

namespace {

double replayed = 0;  // seconds that graphs took

// Copies to the host that nobody has waited for yet.
struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};
std::vector<Copy> under_way;

double now() { return fake_device().seconds() + replayed; }

template <typename T>
cudaError_t give(T** handle, T* object) {
  *handle = object;
  fake_device().alive++;
  return cudaSuccess;
}

template <typename T>
cudaError_t let_go(T* object) {
  delete object;
  fake_device().alive--;
  return cudaSuccess;
}

}  // namespace
}  // namespace gradstep::cuda

using namespace gradstep::cuda;

extern "C" {

cudaError_t cudaMalloc(void** address, size_t bytes) {
  if (!fake_device().has_memory) return cudaErrorMemoryAllocation;
  *address = malloc(bytes);
  fake_device().alive++;
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  free(address);
  fake_device().alive--;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  *available = 0;
  *total = 1;
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  if (kind == cudaMemcpyDeviceToHost) {
    under_way.push_back({to, from, bytes});
  } else {
    memcpy(to, from, bytes);
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_apart, const void* from, size_t from_apart, size_t width, size_t rows,
                              cudaMemcpyKind, cudaStream_t) {
  for (size_t r = 0; r < rows; r++) {
    memcpy(static_cast<char*>(to) + r * to_apart, static_cast<const char*>(from) + r * from_apart, width);
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  memset(to, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemset2DAsync(void* to, size_t apart, int value, size_t width, size_t rows, cudaStream_t) {
  for (size_t r = 0; r < rows; r++) memset(static_cast<char*>(to) + r * apart, value, width);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return give(stream, new CUstream_st{0}); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return let_go(stream); }
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  for (const Copy& copy : under_way) memcpy(copy.to, copy.from, copy.bytes);
  under_way.clear();
  return cudaSuccess;
}

// What is launched meanwhile runs all the same, on numbers that nobody looks at any more.
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->captured_since = now();
  fake_device().is_capturing = true;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  fake_device().is_capturing = false;
  return give(graph, new CUgraph_st{now() - stream->captured_since});
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  return give(instance, new CUgraphExec_st{graph->seconds});
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t) {
  double& slow = fake_device().slow_seconds;
  replayed += slow > 0 ? 5 * instance->seconds : instance->seconds;
  slow -= instance->seconds;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return let_go(graph); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) { return let_go(instance); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return give(event, new CUevent_st{0}); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return let_go(event); }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->time = now();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = static_cast<float>((end->time - begin->time) * 1e3);
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  const FakeDevice& device = fake_device();
  strncpy(properties->name, device.name.c_str(), sizeof properties->name - 1);
  properties->major = device.major;
  properties->minor = device.minor;
  properties->multiProcessorCount = device.multiprocessors;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = fake_device().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t) { return "an error"; }
const char* cudaGetErrorString(cudaError_t) { return "of the stand-in"; }
}
