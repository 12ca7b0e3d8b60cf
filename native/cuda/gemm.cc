// The GEMM seam on cuBLASLt: strict float32, or operands rounded to TF32 or bfloat16. cuBLASLt thinks in column-major
// matrices: a row-major [r, c] is a column-major [c, r], so c = a·b is asked for as cᵀ = bᵀ·aᵀ, b being the first
// factor; the bias then runs along the rows of cᵀ, which is what the library's epilogue adds.
#include "cuda/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "core/error.h"
#include "cuda/cublaslt.h"
#include "cuda/fastest.h"
#include "cuda/handles.h"

namespace gradstep::cuda {
namespace {

constexpr size_t kMaxWorkspace = size_t{32} << 20;
constexpr int kCandidates = 16;  // algorithms that are tried

using Candidate = cublasLtMatmulHeuristicResult_t;

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

// How far two algorithms' results may be apart for operands in (−1, 1), by the rounding of products and of sums.
double tolerance(const GemmShape& s) {
  const double terms = static_cast<double>(s.k);
  const double rate = s.precision == Precision::kBfloat16 ? 1e-2 : s.precision == Precision::kTf32 ? 2e-3 : 5e-6;
  return rate * (1 + std::sqrt(terms)) + 1e-7 * terms;
}

std::string describe_shape(const GemmShape& s) {
  std::string text = "cuBLASLt " + std::to_string(CublasLt::get().GetVersion()) + ", product";
  for (const int64_t number : {s.m, s.n, s.k, s.batch, s.stride_a, s.stride_b, s.row_b}) {
    text += " " + std::to_string(number);
  }
  if (s.transpose_a) text += " ta";
  if (s.transpose_b) text += " tb";
  if (s.accumulate) text += " accumulate";
  if (s.bias) text += " bias";
  if (s.relu) text += " relu";
  return text + (s.precision == Precision::kBfloat16 ? " bfloat16"
                 : s.precision == Precision::kTf32   ? " tf32"
                                                     : " float32");
}

// What one shape needs, made once: the operation, the matrices' layouts, the algorithm.
class Plan {
 public:
  Plan(cublasLtHandle_t handle, const GemmShape& s, const Choices& choices) : handle_(handle), shape_(s) {
    if (s.accumulate && s.relu) throw Error("ERR_INTERNAL", "A product cannot be accumulated and rectified");
    try {
      describe();
      choose(choices);
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
    check_lt(launch(stream, {algorithm_, workspace_bytes_}, a, b, bias, c, workspace), "cublasLtMatmul");
  }

 private:
  struct Choice {
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace_bytes;
  };

  cublasStatus_t launch(cudaStream_t stream, const Choice& choice, const float* a, const float* b, const float* bias,
                        float* c, void* workspace) const {
    if (shape_.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));
    const float alpha = 1.f, beta = shape_.accumulate ? 1.f : 0.f;
    return CublasLt::get().Matmul(handle_, operation_, &alpha, b, b_, a, a_, &beta, c, c_, c, c_, &choice.algorithm,
                                  workspace, choice.workspace_bytes, stream);
  }

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

  void choose(const Choices& choices) {
    const std::string what = describe_shape(shape_);
    if (choices.measures() && recall(choices.find(what))) return;
    const std::vector<Candidate> candidates = propose(choices.measures() ? kCandidates : 1);
    int best = 0;
    if (candidates.size() > 1) {
      best = measure(candidates);
      if (best >= 0) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&candidates[static_cast<size_t>(best)].algo);
        choices.keep(what, {bytes, bytes + sizeof algorithm_});
      }
    }
    const Candidate& chosen = candidates[static_cast<size_t>(std::max(best, 0))];
    algorithm_ = chosen.algo;
    workspace_bytes_ = chosen.workspaceSize;
  }

  // Whether there is an algorithm of before that the library still takes.
  bool recall(const std::optional<Choices::Bytes>& kept) {
    cublasLtMatmulAlgo_t algorithm;
    if (!kept || kept->size() != sizeof algorithm) return false;
    memcpy(&algorithm, kept->data(), sizeof algorithm);
    Candidate checked{};
    const cublasStatus_t status =
        CublasLt::get().MatmulAlgoCheck(handle_, operation_, b_, a_, c_, c_, &algorithm, &checked);
    if (status != CUBLAS_STATUS_SUCCESS || checked.workspaceSize > kMaxWorkspace) return false;
    algorithm_ = algorithm;
    workspace_bytes_ = checked.workspaceSize;
    return true;
  }

  // The library's proposals, the one that it expects to be the fastest first.
  std::vector<Candidate> propose(int most) {
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
    std::vector<Candidate> candidates(static_cast<size_t>(most));
    int found = 0;
    const cublasStatus_t status = CublasLt::get().MatmulAlgoGetHeuristic(handle_, operation_, b_, a_, c_, c_,
                                                                         preference_, most, candidates.data(), &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
    candidates.resize(static_cast<size_t>(found));
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                    [](const Candidate& c) { return c.state != CUBLAS_STATUS_SUCCESS; }),
                     candidates.end());
    if (candidates.empty()) {
      throw Error("ERR_DEVICE_UNAVAILABLE", "cuBLAS has no algorithm for a product of [" + std::to_string(shape_.m) +
                                                ", " + std::to_string(shape_.k) + "] and [" + std::to_string(shape_.k) +
                                                ", " + std::to_string(shape_.n) + "] in float32");
    }
    return candidates;
  }

  // Tries the proposals on matrices of this shape. −1: there is no room for that, or none of them runs.
  int measure(const std::vector<Candidate>& candidates) const {
    const GemmShape& s = shape_;
    const int64_t others = s.batch - 1;
    const int64_t rows_b = s.transpose_b ? s.n : s.k, columns_b = s.transpose_b ? s.k : s.n;
    size_t most = 0;
    for (const Candidate& candidate : candidates) most = std::max(most, candidate.workspaceSize);
    try {
      const OwnedStream stream = make_stream();
      const auto matrix = [&](int64_t floats) {
        DeviceMemory memory(static_cast<uint64_t>(floats) * sizeof(float), "a product that is tried");
        fill_with_numbers(reinterpret_cast<float*>(memory.data()), floats, stream.get());
        return memory;
      };
      const int64_t results = s.batch * s.m * s.n;
      const DeviceMemory a = matrix(others * s.stride_a + s.m * s.k),
                         b = matrix(others * s.stride_b + rows_b * (s.row_b != 0 ? s.row_b : columns_b)),
                         bias = matrix(s.n), before = matrix(results), c = matrix(results);
      const DeviceMemory workspace(most, "a product that is tried");
      const auto floats = [](const DeviceMemory& memory) { return reinterpret_cast<float*>(memory.data()); };
      const auto try_one = [&](int i, cudaStream_t on) {
        const Candidate& candidate = candidates[static_cast<size_t>(i)];
        return launch(on, {candidate.algo, candidate.workspaceSize}, floats(a), floats(b), floats(bias), floats(c),
                      workspace.data()) == CUBLAS_STATUS_SUCCESS;
      };
      const auto reset = [&](cudaStream_t on) {
        GRADSTEP_CUDA(cudaMemcpyAsync(c.data(), before.data(), c.bytes(), cudaMemcpyDeviceToDevice, on));
      };
      return fastest({static_cast<int>(candidates.size()), try_one, reset, {{floats(c), results}}, tolerance(s)});
    } catch (const Error& error) {
      if (strcmp(error.code(), "ERR_OOM") != 0) throw;
      return -1;
    }
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
  explicit CublasLtGemm(const Choices& choices) : choices_(choices) { GRADSTEP_LT(Create, &handle_); }
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
      last_ = std::make_shared<Plan>(handle_, shape, choices_);
      last_shape_ = shape;
    }
    return last_;
  }

  const Choices& choices_;
  cublasLtHandle_t handle_ = nullptr;
  std::shared_ptr<Plan> last_;
  GemmShape last_shape_{};
};

}  // namespace

std::unique_ptr<Gemm> make_gemm(const Choices& choices) {
  if (const std::string problem = gemm_problem(); !problem.empty()) throw Error("ERR_DEVICE_UNAVAILABLE", problem);
  return std::make_unique<CublasLtGemm>(choices);
}

std::string gemm_problem() { return CublasLt::get().problem; }

}  // namespace gradstep::cuda
