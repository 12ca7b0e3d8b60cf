// A product on CUDA, or a batch of them, whose matrices are stored in float32 or bfloat16, any of them. On the GEMM
// seam operands are alike: where one is bfloat16 the other one is rounded into the workspace, which is what precision
// bfloat16 does to it anyway; where the device cannot multiply bfloat16 (compute capability below 8.0) that one is
// widened. What the library cannot store in bfloat16, or has a bias in float32, it makes in float32 in the workspace,
// and a pass behind it rounds: the step's own, where it has one. With such a product a bias in bfloat16 is widened.
#pragma once

#include <optional>

#include "cuda/prepare.h"
#include "cuda/scratch.h"
#include "ops/to_bfloat16.cuh"

namespace gradstep::cuda {

// What a product reads and writes; bias, aux and sums may be absent.
struct Product {
  Tensor a, b, bias, c, aux, sums;
};

class StoredProduct {
 public:
  enum class Result {
    kStored,  // in c
    kWide,    // float32, for a pass behind: in c where that is float32, else in the workspace
    kEither,  // in c where the library can store it so, else as above
  };

  // Of a shape that says nothing of types.
  StoredProduct(Prepare& prepare, const GemmShape& shape, const Product& product, Result result = Result::kStored);

  void operator()(cudaStream_t stream) const;

  // Whether the result is float32, and where it is then.
  bool is_wide() const { return !shape_.has_narrow_result(); }
  float* wide() const { return c_wide_ ? scratch_.at(*c_wide_) : static_cast<float*>(c_); }
  // From this byte of the workspace on passes may use it.
  size_t behind() const { return scratch_.behind(); }

  // Whether the library has the product.
  static bool exists(Prepare& prepare, const GemmShape& shape, const Product& product);

 private:
  using Place = std::optional<size_t>;  // in the workspace

  int multiprocessors_;
  Scratch scratch_;
  GemmShape shape_;
  Gemm::Run run_;
  const void *a_, *b_, *bias_;
  void *c_, *aux_;
  float* sums_;
  int64_t a_size_, b_size_, c_size_;
  // Copies in the other type; absent where there is none.
  Place a_copy_, b_copy_, bias_wide_, c_wide_;
  bool rounds_;  // the wide result, into c
};

}  // namespace gradstep::cuda
