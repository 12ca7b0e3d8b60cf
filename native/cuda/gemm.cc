// The GEMM seam on cuBLASLt: strict float32, or operands rounded to TF32 or bfloat16. cuBLASLt thinks in column-major
// matrices: a row-major [r, c] is a column-major [c, r], so c = a·b is asked for as cᵀ = bᵀ·aᵀ, b being the first
// factor; the bias then runs along the rows of cᵀ, which is what the library's epilogue adds.
#include "cuda/gemm.h"

#include "core/error.h"
#include "cuda/cublaslt.h"

namespace gradstep::cuda {
namespace {

constexpr size_t kMaxWorkspace = size_t{32} << 20;

cublasComputeType_t compute_type(Precision precision) {
  return precision == Precision::kBfloat16 ? CUBLAS_COMPUTE_32F_FAST_16BF
         : precision == Precision::kTf32   ? CUBLAS_COMPUTE_32F_FAST_TF32
                                           : CUBLAS_COMPUTE_32F;
}

constexpr uint32_t kAlignment = 16;  // of every matrix, in bytes; those of a batch and columns of another at any float

void check_lt(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? "ERR_OOM" : "ERR_DEVICE_FAILED",
              std::string(call) + " failed: " + CublasLt::get().GetStatusString(status));
}

#define GRADSTEP_LT(name, ...) check_lt(CublasLt::get().name(__VA_ARGS__), "cublasLt" #name)

// What one shape needs, made once: the operation, the matrices' layouts, the algorithm.
class Plan {
 public:
  Plan(cublasLtHandle_t handle, const GemmShape& s) : handle_(handle), shape_(s) {
    if (s.accumulate && s.relu) throw Error("ERR_INTERNAL", "A product cannot be accumulated and rectified");
    try {
      describe();
      choose();
    } catch (...) {
      release();
      throw;
    }
  }
  ~Plan() { release(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  size_t workspace_bytes() const { return workspace_bytes_; }

  void run(cudaStream_t stream, const float* a, const float* b, const float* bias, float* c, void* workspace) const {
    if (shape_.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));
    const float alpha = 1.f, beta = shape_.accumulate ? 1.f : 0.f;
    GRADSTEP_LT(Matmul, handle_, operation_, &alpha, b, b_, a, a_, &beta, c, c_, c, c_, &algorithm_, workspace,
                workspace_bytes_, stream);
  }

 private:
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) const {
    GRADSTEP_LT(MatmulDescSetAttribute, operation_, attribute, &value, sizeof value);
  }

  void describe() {
    const GemmShape& s = shape_;
    GRADSTEP_LT(MatmulDescCreate, &operation_, compute_type(s.precision), CUDA_R_32F);
    set(CUBLASLT_MATMUL_DESC_TRANSA, s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, s.bias && s.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                       : s.bias         ? CUBLASLT_EPILOGUE_BIAS
                                       : s.relu         ? CUBLASLT_EPILOGUE_RELU
                                                        : CUBLASLT_EPILOGUE_DEFAULT);
    // Some versions find no algorithm while there is no bias; each run sets its own.
    if (s.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, reinterpret_cast<const void*>(uintptr_t{kAlignment}));
    // Rows and columns as stored, seen column by column; the leading dimension is the distance of stored rows.
    const auto layout = [&](cublasLtMatrixLayout_t* out, int64_t stored_rows, int64_t stored_columns, int64_t stride,
                            int64_t row = 0) {
      GRADSTEP_LT(MatrixLayoutCreate, out, CUDA_R_32F, static_cast<uint64_t>(stored_columns),
                  static_cast<uint64_t>(stored_rows), row == 0 ? stored_columns : row);
      if (s.batch == 1) return;
      const int32_t batch = static_cast<int32_t>(s.batch);
      GRADSTEP_LT(MatrixLayoutSetAttribute, *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch);
      GRADSTEP_LT(MatrixLayoutSetAttribute, *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
    };
    layout(&b_, s.transpose_b ? s.n : s.k, s.transpose_b ? s.k : s.n, s.stride_b, s.row_b);
    layout(&a_, s.transpose_a ? s.k : s.m, s.transpose_a ? s.m : s.k, s.stride_a);
    layout(&c_, s.m, s.n, s.m * s.n);
  }

  void choose() {
    GRADSTEP_LT(MatmulPreferenceCreate, &preference_);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      GRADSTEP_LT(MatmulPreferenceSetAttribute, preference_, attribute, &value, sizeof value);
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxWorkspace);
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      const bool even =
          shape_.row_b % 4 == 0 &&
          (shape_.batch == 1 || (shape_.stride_a % 4 == 0 && shape_.stride_b % 4 == 0 && shape_.m * shape_.n % 4 == 0));
      prefer(attribute, even ? kAlignment : static_cast<uint32_t>(sizeof(float)));
    }
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status =
        CublasLt::get().MatmulAlgoGetHeuristic(handle_, operation_, b_, a_, c_, c_, preference_, 1, &best, &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0) {
      throw Error("ERR_DEVICE_UNAVAILABLE", "cuBLAS has no algorithm for a product of [" + std::to_string(shape_.m) +
                                                ", " + std::to_string(shape_.k) + "] and [" + std::to_string(shape_.k) +
                                                ", " + std::to_string(shape_.n) + "] in float32");
    }
    algorithm_ = best.algo;
    workspace_bytes_ = best.workspaceSize;
  }

  void release() {
    const CublasLt& lt = CublasLt::get();
    if (preference_ != nullptr) lt.MatmulPreferenceDestroy(preference_);
    for (const cublasLtMatrixLayout_t layout : {a_, b_, c_}) {
      if (layout != nullptr) lt.MatrixLayoutDestroy(layout);
    }
    if (operation_ != nullptr) lt.MatmulDescDestroy(operation_);
  }

  cublasLtHandle_t handle_;
  GemmShape shape_;
  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
  size_t workspace_bytes_ = 0;
};

bool same(const GemmShape& a, const GemmShape& b) {
  return a.m == b.m && a.n == b.n && a.k == b.k && a.transpose_a == b.transpose_a && a.transpose_b == b.transpose_b &&
         a.accumulate == b.accumulate && a.bias == b.bias && a.relu == b.relu && a.batch == b.batch &&
         a.stride_a == b.stride_a && a.stride_b == b.stride_b && a.row_b == b.row_b && a.precision == b.precision;
}

class CublasLtGemm final : public Gemm {
 public:
  CublasLtGemm() { GRADSTEP_LT(Create, &handle_); }
  ~CublasLtGemm() override {
    last_.reset();
    CublasLt::get().Destroy(handle_);
  }

  size_t workspace_bytes(const GemmShape& shape) override { return plan_of(shape)->workspace_bytes(); }

  Run plan(const GemmShape& shape) override {
    return [plan = plan_of(shape)](cudaStream_t stream, const float* a, const float* b, const float* bias, float* c,
                                   void* workspace) { plan->run(stream, a, b, bias, c, workspace); };
  }

 private:
  // A step asks for its workspace and then for its plan: the last one is kept for the second question.
  std::shared_ptr<Plan> plan_of(const GemmShape& shape) {
    if (!last_ || !same(last_shape_, shape)) {
      last_ = std::make_shared<Plan>(handle_, shape);
      last_shape_ = shape;
    }
    return last_;
  }

  cublasLtHandle_t handle_ = nullptr;
  std::shared_ptr<Plan> last_;
  GemmShape last_shape_{};
};

}  // namespace

std::unique_ptr<Gemm> make_gemm() {
  if (const std::string problem = gemm_problem(); !problem.empty()) throw Error("ERR_DEVICE_UNAVAILABLE", problem);
  return std::make_unique<CublasLtGemm>();
}

std::string gemm_problem() { return CublasLt::get().problem; }

}  // namespace gradstep::cuda
