#include "cuda/choices.h"

#include <cuda_runtime.h>

#include <algorithm>

#include "cuda/check.h"
#include "cuda/gemm.h"

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
         ", runtime " + std::to_string(CUDART_VERSION) + ", " + gemm_library();
}

}  // namespace

Choices::Choices(int device, bool deterministic) : device_(deterministic ? "" : describe(device)) {}

std::optional<Choices::Bytes> Choices::find(const std::string& what) {
  if (!measures()) return std::nullopt;
  use(what);
  if (const auto taken = taken_.find(what); taken != taken_.end()) return taken->second;
  const auto earlier = earlier_.find(what);
  const std::optional<Bytes> found =
      earlier != earlier_.end() ? earlier->second : AlgorithmCache::get().find(device_ + ", " + what);
  if (found) taken_[what] = *found;
  return found;
}

void Choices::take(const std::string& what, const Bytes& choice) {
  if (!measures()) return;
  use(what);
  taken_[what] = choice;
}

void Choices::keep(const std::string& what, const Bytes& choice) {
  take(what, choice);
  AlgorithmCache::get().keep(device_ + ", " + what, choice);
}

MeasuredChoices Choices::of(const Uses& uses) const {
  MeasuredChoices choices{device_, {}};
  for (const std::string& what : uses) {
    if (const auto taken = taken_.find(what); taken != taken_.end()) choices.taken[what] = to_text(taken->second);
  }
  return choices;
}

// Choices on another device are of no use here. What is broken is left out, as in the file.
void Choices::recall(const MeasuredChoices& earlier) {
  earlier_.clear();
  if (earlier.device != device_) return;
  for (const auto& [what, text] : earlier.taken) {
    if (Bytes bytes = from_text(text); !bytes.empty()) earlier_[what] = std::move(bytes);
  }
}

}  // namespace gradstep::cuda
