// What every call of the emulated runtime passes through: faults.h can make it fail, and what it returns becomes the
// thread's last error. Also what CUDA keeps for each thread of the host, and the register of what was handed out.
#pragma once

#include <string>

#include "cuda_runtime.h"

namespace emulation {

struct ThreadState {
  int device = 0;  // the current one
  cudaError_t last_error = cudaSuccess;
  Stream* captured = nullptr;
  // What to say of an error of this kind, beyond its name.
  cudaError_t explained = cudaSuccess;
  std::string explanation;
};

// The calling thread's. Not a thread_local variable: those of this library are the kernels' __shared__ ones.
ThreadState& this_thread();

// Returns `error`, which cudaGetErrorString then explains to this thread.
cudaError_t explain(cudaError_t error, const std::string& text);

// cudaSuccess, or what this call is to fail with.
cudaError_t planned_failure(const char* name);
cudaError_t told(cudaError_t error);

template <typename Body>
cudaError_t call(const char* name, Body body) {
  const cudaError_t planned = planned_failure(name);
  return told(planned != cudaSuccess ? planned : body());
}

// A call that lets something go, which it does even where it fails.
template <typename Body>
cudaError_t letting_go(const char* name, Body body) {
  const cudaError_t planned = planned_failure(name);
  const cudaError_t error = body();
  return told(planned != cudaSuccess ? planned : error);
}

enum class Kind { kPinned, kStream, kEvent, kGraph, kGraphExec, kCapture, kGemm, kCudnn };

void add_object(Kind kind, const void* object);
// False: there is no such object.
bool remove_object(Kind kind, const void* object);
bool is_object(Kind kind, const void* object);

}  // namespace emulation
