#include "cuda/choices.h"

#include <cuda_runtime.h>

#include <algorithm>

#include "cuda/check.h"

namespace gradstep::cuda {
namespace {

std::string describe(int device) {
  int driver = 0;
  cudaDeviceProp properties;
  GRADSTEP_CUDA(cudaGetDeviceProperties(&properties, device));
  GRADSTEP_CUDA(cudaDriverGetVersion(&driver));
  std::string name = properties.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c < ' '; }, ' ');
  return name + ", " + std::to_string(properties.major) + "." + std::to_string(properties.minor) + ", " +
         std::to_string(properties.multiProcessorCount) + " multiprocessors, driver " + std::to_string(driver) +
         ", runtime " + std::to_string(CUDART_VERSION);
}

}  // namespace

Choices::Choices(int device, bool deterministic) : device_(deterministic ? "" : describe(device)) {}

std::optional<Choices::Bytes> Choices::find(const std::string& what) const {
  return AlgorithmCache::get().find(device_ + ", " + what);
}

void Choices::keep(const std::string& what, const Bytes& choice) const {
  AlgorithmCache::get().keep(device_ + ", " + what, choice);
}

}  // namespace gradstep::cuda
