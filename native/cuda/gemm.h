// The GEMM seam: row-major c = act(op(a)·op(b) + bias), or c += op(a)·op(b) + bias, on cuBLASLt. Descriptors are made
// and the algorithm is chosen when it is planned: the fastest of those that the library proposes, as measured here or,
// as choices.h knows, before. Running one only launches. In the tests' emulation the same interface
// multiplies on the CPU.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cuda/choices.h"
#include "cuda/precision.h"

namespace gradstep::cuda {

struct GemmShape {
  int64_t m, n, k;                // c is [m, n]
  bool transpose_a, transpose_b;  // a is stored [k, m], b is stored [n, k]
  bool accumulate;                // c += …; not together with relu
  bool bias;                      // one value a column of c
  bool relu;
  // Several products at once: c's matrices follow one another, a's and b's lie this many floats apart (0: one for all).
  int64_t batch = 1, stride_a = 0, stride_b = 0;
  int64_t row_b =
      0;  // floats from one stored row of b to the next: b is columns of a wider matrix. 0: as many as it has
  // To what operands may be rounded, and are where the library has such an algorithm; sums stay in float32.
  Precision precision = Precision::kFloat32;
};

class Gemm {
 public:
  virtual ~Gemm() = default;
  // Launches the product; `workspace` is the step's (as many bytes as workspace_bytes asked for).
  using Run =
      std::function<void(cudaStream_t, const float* a, const float* b, const float* bias, float* c, void* workspace)>;
  virtual size_t workspace_bytes(const GemmShape& shape) = 0;
  virtual Run plan(const GemmShape& shape) = 0;
};

// Throws ERR_DEVICE_UNAVAILABLE where gemm_problem() has something to say. The device must be current. Where `choices`
// measures nothing, algorithms are the library's first proposals. `choices` outlives it.
std::unique_ptr<Gemm> make_gemm(const Choices& choices);

// Why products cannot be computed here and how to mend it; empty: they can.
std::string gemm_problem();

}  // namespace gradstep::cuda
