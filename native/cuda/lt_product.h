// One product as cuBLASLt describes it: operation, layouts, epilogue, and what the library proposes for it. cuBLASLt
// thinks in column-major matrices: a row-major [r, c] is a column-major [c, r], so c = a·b is asked for as cᵀ = bᵀ·aᵀ,
// b being the first factor; bias, sums and rows of aux then run along the rows of cᵀ, as the library's epilogues have
// them.
#pragma once

#include <optional>
#include <vector>

#include "cuda/cublaslt.h"
#include "cuda/gemm.h"

namespace gradstep::cuda {

void check_lt(cublasStatus_t status, const char* call);

#define GRADSTEP_LT(name, ...) check_lt(CublasLt::get().name(__VA_ARGS__), "cublasLt" #name)

struct LtAlgorithm {
  cublasLtMatmulAlgo_t algorithm;
  size_t workspace_bytes;
};

class LtProduct {
 public:
  LtProduct(cublasLtHandle_t handle, const GemmShape& shape);
  ~LtProduct() { release(); }
  LtProduct(const LtProduct&) = delete;
  LtProduct& operator=(const LtProduct&) = delete;

  const GemmShape& shape() const { return shape_; }
  cublasStatus_t launch(cudaStream_t stream, const LtAlgorithm& chosen, const GemmOperands& operands) const;
  // The library's proposals, so many at most, the one that it expects to be the fastest first. None: it cannot do this.
  std::vector<LtAlgorithm> propose(int most);
  // An algorithm of before, where the library still takes it.
  std::optional<LtAlgorithm> recall(const cublasLtMatmulAlgo_t& algorithm) const;

 private:
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) const {
    GRADSTEP_LT(MatmulDescSetAttribute, operation_, attribute, &value, sizeof value);
  }
  void set_pointers(const void* bias, const void* aux) const;
  void describe();
  void prefer_what_fits();
  std::vector<LtAlgorithm> ask(int most) const;
  std::optional<LtAlgorithm> checked(const cublasLtMatmulAlgo_t& algorithm) const;
  // Whether operands in float32 may be rounded. A device that has no units for that may have no algorithm either, and
  // is asked for one that does not.
  bool may_round() const;
  void release();

  cublasLtHandle_t handle_;
  GemmShape shape_;
  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
};

}  // namespace gradstep::cuda
