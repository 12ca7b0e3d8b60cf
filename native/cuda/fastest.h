// Of several ways to compute the same numbers, the fastest on this device, found by trying them. A way whose numbers
// differ from the first one's by more than rounding is never taken, nor is one that fails: on the device, or at being
// captured.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "generated/tensor.h"

namespace gradstep::cuda {

struct Contest {
  int entrants;
  // Launches one of them; false: it refuses.
  std::function<bool(int entrant, cudaStream_t stream)> launch;
  // Puts back what operands held before a launch.
  std::function<void(cudaStream_t stream)> reset;
  struct Result {  // on the device
    const void* data;
    int64_t count;
    DType type = DType::kFloat32;  // or bfloat16
  };
  std::vector<Result> results;
  double tolerance;  // the largest difference that rounding makes
};

// −1: none of them runs. Of two that are as good as equally fast, the one that comes first. Takes its time, on a stream
// of its own: not while one is captured.
int fastest(const Contest& contest);

// Fills memory of the device with numbers in (−range, range), in float32 or bfloat16, none of them 0: a GPU multiplies
// zeros faster than others.
void fill_with_numbers(void* to, int64_t count, cudaStream_t stream, float range = 1, DType type = DType::kFloat32);

}  // namespace gradstep::cuda
