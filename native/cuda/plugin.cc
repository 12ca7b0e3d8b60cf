// The plugin's entry point, and the answer to "which CUDA devices are here, and if none, why".
#include "core/plugin.h"

#include <cuda_runtime.h>

#include <string>

#include "core/error.h"
#include "cuda/backend.h"
#include "cuda/gemm.h"
#include "generated/ops.h"

namespace gradstep::cuda {
namespace {

// Compute capabilities: the oldest that the kernels were compiled for, and the first with units for bfloat16.
constexpr int kOldest = GRADSTEP_CUDA_OLDEST, kBfloat16 = 80;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string capability_text(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

std::string failure_text(cudaError_t error) {
  return std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error) + ".";
}

// Why no device can be used at all; empty: `count` of them can be asked about.
std::string driver_problem(int& count) {
  int driver = 0;
  cudaError_t error = cudaDriverGetVersion(&driver);
  if (error == cudaSuccess && driver == 0) {
    return "No NVIDIA driver was found (libcuda.so.1): install one that supports CUDA " + version_text(CUDART_VERSION) +
           ".";
  }
  if (error == cudaSuccess) error = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver) {
    return "The NVIDIA driver supports CUDA " + version_text(driver) + ", and gradstep needs CUDA " +
           version_text(CUDART_VERSION) + ": update the driver.";
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    return "The NVIDIA driver sees no GPU; CUDA_VISIBLE_DEVICES may hide it.";
  }
  if (error != cudaSuccess) {
    return "The NVIDIA driver does not answer: " + failure_text(error);
  }
  return "";
}

void devices(std::vector<DeviceInfo>& found, std::string& why) {
  int count = 0;
  why = driver_problem(count);
  if (why.empty()) why = gemm_problem();
  if (!why.empty()) return;
  for (int i = 0; i < count; i++) {
    cudaDeviceProp properties;
    const cudaError_t error = cudaGetDeviceProperties(&properties, i);
    if (error != cudaSuccess) {
      cudaGetLastError();
      why += "GPU " + std::to_string(i) + " does not answer: " + failure_text(error) + " ";
      continue;
    }
    const int capability = 10 * properties.major + properties.minor;
    if (capability < kOldest) {
      why += "GPU " + std::to_string(i) + " (" + properties.name + ") has compute capability " +
             capability_text(capability) + ", and this build of gradstep needs " + capability_text(kOldest) +
             " or higher. ";
    } else {
      found.push_back(
          {"cuda:" + std::to_string(i), properties.name, properties.totalGlobalMem, capability >= kBfloat16});
    }
  }
  if (!why.empty()) why.pop_back();
}

std::unique_ptr<Backend> create(int index, bool deterministic) {
  std::vector<DeviceInfo> found;
  std::string why;
  devices(found, why);
  const std::string name = "cuda:" + std::to_string(index);
  for (const DeviceInfo& device : found) {
    if (device.name == name) return std::make_unique<CudaBackend>(index, deterministic);
  }
  if (why.empty()) why = "There are " + std::to_string(found.size()) + " CUDA devices, counted from 0.";
  throw Error("ERR_DEVICE_UNAVAILABLE", "Device " + name + " is not available. " + why);
}

const Plugin kPlugin = {kPluginAbi, kOpTableHash, devices, create};

}  // namespace
}  // namespace gradstep::cuda

extern "C" __attribute__((visibility("default"))) const gradstep::Plugin* gradstep_plugin() {
  return &gradstep::cuda::kPlugin;
}
