// What came of work on the emulated device, for the programs of broken kernels and broken uses.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cuda/handles.h"

namespace gradstep::cuda {

constexpr int kAttemptThreads = 64;

struct Result {
  std::string error;
  std::vector<float> values;
};

// Runs `work` on fresh memory holding 0 … 63 and returns what came of it.
inline Result attempt(const std::function<void(cudaStream_t, float*)>& work) {
  Result result{"", std::vector<float>(kAttemptThreads, NAN)};
  try {
    const OwnedStream stream = make_stream();
    const DeviceMemory memory(kAttemptThreads * sizeof(float), "a test");
    float* const x = reinterpret_cast<float*>(memory.data());
    std::vector<float> host(kAttemptThreads);
    for (int i = 0; i < kAttemptThreads; i++) host[static_cast<size_t>(i)] = static_cast<float>(i);
    GRADSTEP_CUDA(cudaMemcpy(x, host.data(), memory.bytes(), cudaMemcpyHostToDevice));
    work(stream.get(), x);
    GRADSTEP_CUDA(cudaStreamSynchronize(stream.get()));
    GRADSTEP_CUDA(cudaMemcpy(result.values.data(), x, memory.bytes(), cudaMemcpyDeviceToHost));
  } catch (const Error& error) {
    result.error = std::string(error.code()) + " " + error.what();
  }
  return result;
}

// One member of a JSON object, NaN as null.
inline void print(const char* name, const Result& result, const char* end) {
  std::string error;
  for (const char c : result.error) error += c == '"' ? '\'' : c;
  printf("\"%s\": {\"error\": \"%s\", \"values\": [", name, error.c_str());
  for (size_t i = 0; i < result.values.size(); i++) {
    printf(std::isnan(result.values[i]) ? "%snull" : "%s%.9g", i == 0 ? "" : ", ",
           static_cast<double>(result.values[i]));
  }
  printf("]}%s\n", end);
}

}  // namespace gradstep::cuda
