// The GEMM seam: row-major c = act(op(a)·op(b) + bias) [+ c], on cuBLASLt. Descriptors and the algorithm are chosen when
// it is planned; running one only launches. In the tests' emulation the same interface multiplies on the CPU.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>

namespace gradstep::cuda {

struct GemmShape {
  int64_t m, n, k;
  bool transpose_a, transpose_b;  // a is stored [k, m], b is stored [n, k]
  bool accumulate;                // c += …
  bool bias;                      // one value a column of c
  bool relu;
};

class Gemm {
 public:
  virtual ~Gemm() = default;
  // Launches the product; `workspace` is the step's (as many bytes as workspace_bytes asked for).
  using Run = std::function<void(cudaStream_t, const float* a, const float* b, const float* bias, float* c, void* workspace)>;
  virtual size_t workspace_bytes(const GemmShape& shape) = 0;
  virtual Run plan(const GemmShape& shape) = 0;
};

}  // namespace gradstep::cuda
