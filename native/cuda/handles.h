// Owners of what CUDA hands out: each releases what it holds when it goes out of scope.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <type_traits>

#include "cuda/check.h"

namespace gradstep::cuda {

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* what) const {
    // A failure here is the device's, which whoever uses it next is told; this thread's next launch is not to report
    // it.
    if (release(what) != cudaSuccess) cudaGetLastError();
  }
};

template <typename T, auto release>
using Owner = std::unique_ptr<std::remove_pointer_t<T>, Release<release>>;

using OwnedStream = Owner<cudaStream_t, cudaStreamDestroy>;
using OwnedEvent = Owner<cudaEvent_t, cudaEventDestroy>;
using OwnedGraph = Owner<cudaGraph_t, cudaGraphDestroy>;
using OwnedGraphExec = Owner<cudaGraphExec_t, cudaGraphExecDestroy>;

inline OwnedStream make_stream() {
  cudaStream_t stream = nullptr;
  GRADSTEP_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return OwnedStream(stream);
}

// cudaEventDisableTiming: to wait for, the cheapest; cudaEventDefault: it also tells the time.
inline OwnedEvent make_event(unsigned flags = cudaEventDisableTiming) {
  cudaEvent_t event = nullptr;
  GRADSTEP_CUDA(cudaEventCreateWithFlags(&event, flags));
  return OwnedEvent(event);
}

// Memory of the device. Zero bytes are no allocation and a null address.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  // Throws ERR_OOM naming what the memory was for and how much there is.
  DeviceMemory(uint64_t bytes, const char* purpose) : bytes_(bytes) {
    if (bytes == 0) return;
    void* data = nullptr;
    const cudaError_t error = cudaMalloc(&data, bytes);
    if (error == cudaErrorMemoryAllocation) {
      std::string text = std::string("Out of GPU memory: ") + purpose + " needs " + std::to_string(bytes) + " bytes";
      size_t free = 0, total = 0;
      if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
        text += ", " + std::to_string(total - free) + " of " + std::to_string(total) + " are in use and " +
                std::to_string(free) + " are free";
      }
      cudaGetLastError();
      throw Error("ERR_OOM", text);
    }
    check(error, "cudaMalloc");
    data_.reset(static_cast<char*>(data));
  }
  char* data() const { return data_.get(); }
  uint64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<char, Release<cudaFree>> data_;
  uint64_t bytes_ = 0;
};

// Page-locked memory of the host, which copies need to run beside kernels.
class PinnedMemory {
 public:
  explicit PinnedMemory(size_t bytes) {
    void* data = nullptr;
    GRADSTEP_CUDA(cudaHostAlloc(&data, bytes, cudaHostAllocDefault));
    data_.reset(static_cast<char*>(data));
  }
  char* data() const { return data_.get(); }

 private:
  std::unique_ptr<char, Release<cudaFreeHost>> data_;
};

}  // namespace gradstep::cuda
