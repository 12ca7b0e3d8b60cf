// Turns CUDA's error codes into exceptions: `GRADSTEP_CUDA(cudaMalloc(&p, n))` throws Error with the call as it is
// written, CUDA's name for the failure and its explanation. ERR_DEVICE_FAILED unless memory ran out.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "core/error.h"

namespace gradstep::cuda {

// A way to run a step (ways.h) that cannot, as it turns out when it is launched: another one can.
class Refusal : public Error {
 public:
  explicit Refusal(const std::string& message) : Error("ERR_DEVICE_FAILED", message) {}
};

[[noreturn]] inline void fail(cudaError_t error, const char* call, const char* file, int line) {
  cudaGetLastError();  // a failed launch is remembered per thread: forget it, it is being reported
  // "cudaMalloc(&p, n)" → "cudaMalloc"; file paths are shortened to their last two parts.
  const std::string name = std::string(call).substr(0, std::string(call).find('('));
  std::string place(file);
  size_t cut = place.rfind('/');
  if (cut != std::string::npos && cut > 0) cut = place.rfind('/', cut - 1);
  if (cut != std::string::npos) place.erase(0, cut + 1);
  throw Error(error == cudaErrorMemoryAllocation ? "ERR_OOM" : "ERR_DEVICE_FAILED",
              name + " failed with " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error) + " (" + place + ":" +
                  std::to_string(line) + ")");
}

inline void check(cudaError_t error, const char* call, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (error != cudaSuccess) fail(error, call, file, line);
}

}  // namespace gradstep::cuda

#define GRADSTEP_CUDA(call) ::gradstep::cuda::check((call), #call)
