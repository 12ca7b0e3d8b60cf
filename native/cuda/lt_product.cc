#include "cuda/lt_product.h"

#include <string>

#include "core/error.h"
#include "core/program.h"

namespace gradstep::cuda {
namespace {

constexpr size_t kMaxWorkspace = size_t{32} << 20;

constexpr uint32_t kAlignment = 16;  // of every matrix, in bytes; those of a batch and columns of another at any number

cublasComputeType_t compute_type(const GemmShape& s) {
  return s.has_narrow_operands()               ? CUBLAS_COMPUTE_32F
         : s.precision == Precision::kBfloat16 ? CUBLAS_COMPUTE_32F_FAST_16BF
         : s.precision == Precision::kTf32     ? CUBLAS_COMPUTE_32F_FAST_TF32
                                               : CUBLAS_COMPUTE_32F;
}

cudaDataType_t type_of(DType type) { return type == DType::kBfloat16 ? CUDA_R_16BF : CUDA_R_32F; }

cublasLtEpilogue_t epilogue_of(const GemmShape& s) {
  switch (s.epilogue) {
    case Epilogue::kNone:
      // The library's A is b.
      return s.sums ? CUBLASLT_EPILOGUE_BGRADA : s.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::kRelu:
      if (s.aux) return s.bias ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_AUX;
      return s.bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    case Epilogue::kGelu:
      if (s.aux) return s.bias ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_AUX;
      return s.bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    case Epilogue::kReluSlope:
      return s.sums ? CUBLASLT_EPILOGUE_DRELU_BGRAD : CUBLASLT_EPILOGUE_DRELU;
    case Epilogue::kGeluSlope:
      return s.sums ? CUBLASLT_EPILOGUE_DGELU_BGRAD : CUBLASLT_EPILOGUE_DGELU;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

// What the seam's interface rules out.
void check_shape(const GemmShape& s) {
  const bool plain = s.epilogue == Epilogue::kNone, slope = is_slope(s.epilogue);
  const char* problem = s.accumulate && (!plain || s.sums)       ? "be accumulated and go through an epilogue"
                        : s.aux && (plain || slope)              ? "leave what the slope of no activation follows from"
                        : s.bias && (slope || s.sums)            ? "have a bias on the way back"
                        : s.sums && !plain && !slope             ? "have sums on the way forward"
                        : (s.has_aux() || s.sums) && s.batch > 1 ? "be one of several and have a slope or sums"
                        : s.has_narrow_operands() && s.precision != Precision::kBfloat16
                            ? "multiply bfloat16 in another precision"
                        : s.has_narrow_result() && !s.has_narrow_operands() ? "make bfloat16 of float32"
                                                                            : nullptr;
  if (problem != nullptr) throw Error("ERR_INTERNAL", std::string("A product cannot ") + problem);
}

}  // namespace

void check_lt(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? "ERR_OOM" : "ERR_DEVICE_FAILED",
              std::string(call) + " failed: " + CublasLt::get().GetStatusString(status));
}

LtProduct::LtProduct(cublasLtHandle_t handle, const GemmShape& shape) : handle_(handle), shape_(shape) {
  check_shape(shape);
  try {
    describe();
  } catch (...) {
    release();
    throw;
  }
}

// The bias and the sums are one attribute of the library's; no epilogue has both.
void LtProduct::set_pointers(const void* bias, const void* aux) const {
  if (shape_.bias || shape_.sums) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  if (shape_.has_aux()) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux);
}

cublasStatus_t LtProduct::launch(cudaStream_t stream, const LtAlgorithm& chosen, const GemmOperands& operands) const {
  set_pointers(shape_.sums ? operands.sums : operands.bias, operands.aux);
  const float alpha = 1.f, beta = shape_.accumulate ? 1.f : 0.f;
  return CublasLt::get().Matmul(handle_, operation_, &alpha, operands.b, b_, operands.a, a_, &beta, operands.c, c_,
                                operands.c, c_, &chosen.algorithm, operands.workspace, chosen.workspace_bytes, stream);
}

void LtProduct::describe() {
  const GemmShape& s = shape_;
  GRADSTEP_LT(MatmulDescCreate, &operation_, compute_type(s), CUDA_R_32F);
  set(CUBLASLT_MATMUL_DESC_TRANSA, s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(s));
  // Of relu's bits the leading dimension is counted in bits.
  if (s.has_aux()) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, s.has_bits() ? 32 * s.aux_row() : s.aux_row());
  // Some versions find no algorithm while there are no addresses; each run sets its own.
  const auto* somewhere = reinterpret_cast<const void*>(uintptr_t{kAlignment});
  set_pointers(somewhere, somewhere);
  // Rows and columns as stored, seen column by column; the leading dimension is the distance of stored rows.
  const auto layout = [&](cublasLtMatrixLayout_t* out, DType type, int64_t stored_rows, int64_t stored_columns,
                          int64_t stride, int64_t row = 0) {
    GRADSTEP_LT(MatrixLayoutCreate, out, type_of(type), static_cast<uint64_t>(stored_columns),
                static_cast<uint64_t>(stored_rows), row == 0 ? stored_columns : row);
    if (s.batch == 1) return;
    const int32_t batch = static_cast<int32_t>(s.batch);
    GRADSTEP_LT(MatrixLayoutSetAttribute, *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch);
    GRADSTEP_LT(MatrixLayoutSetAttribute, *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
  };
  layout(&b_, s.operands, s.transpose_b ? s.n : s.k, s.transpose_b ? s.k : s.n, s.stride_b, s.row_b);
  layout(&a_, s.operands, s.transpose_a ? s.k : s.m, s.transpose_a ? s.m : s.k, s.stride_a);
  layout(&c_, s.result, s.m, s.n, s.m * s.n);
}

std::vector<LtAlgorithm> LtProduct::propose(int most) {
  // The sums before gelu are laid out as the library's leading dimensions allow, or not at all.
  if (shape_.has_aux() && !shape_.has_bits() && shape_.n % 8 != 0) return {};
  // cublasLt.h: a bias's gradient and those sums are of the result's type, as a bias is.
  if (shape_.has_narrow_result() && shape_.has_floats_beside()) return {};
  prefer_what_fits();
  std::vector<LtAlgorithm> proposed = ask(most);
  if (!proposed.empty() || !may_round()) return proposed;
  set(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, CUBLAS_COMPUTE_32F);
  return ask(most);
}

void LtProduct::prefer_what_fits() {
  GRADSTEP_LT(MatmulPreferenceCreate, &preference_);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    GRADSTEP_LT(MatmulPreferenceSetAttribute, preference_, attribute, &value, sizeof value);
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxWorkspace);
  const auto least = static_cast<uint32_t>(dtype_bytes(shape_.operands));
  const int64_t whole = kAlignment / least;
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    const bool even = shape_.row_b % whole == 0 &&
                      (shape_.batch == 1 || (shape_.stride_a % whole == 0 && shape_.stride_b % whole == 0 &&
                                             shape_.m * shape_.n % whole == 0));
    prefer(attribute, even ? kAlignment : least);
  }
}

std::vector<LtAlgorithm> LtProduct::ask(int most) const {
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<size_t>(most));
  int found = 0;
  const cublasStatus_t status = CublasLt::get().MatmulAlgoGetHeuristic(handle_, operation_, b_, a_, c_, c_, preference_,
                                                                       most, results.data(), &found);
  // Which status says that an epilogue is not there for some type, device or shape, nobody has written down.
  const bool may_lack = shape_.has_aux() || shape_.sums;
  const bool lacks = status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_ARCH_MISMATCH ||
                     (may_lack && status == CUBLAS_STATUS_INVALID_VALUE);
  if (lacks) return {};
  check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
  results.resize(static_cast<size_t>(found));
  std::vector<LtAlgorithm> proposed;
  for (const auto& result : results) {
    if (result.state == CUBLAS_STATUS_SUCCESS) proposed.push_back({result.algo, result.workspaceSize});
  }
  return proposed;
}

std::optional<LtAlgorithm> LtProduct::recall(const cublasLtMatmulAlgo_t& algorithm) const {
  if (const auto taken = checked(algorithm); taken || !may_round()) return taken;
  set(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, CUBLAS_COMPUTE_32F);
  const auto taken = checked(algorithm);
  if (!taken) set(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, compute_type(shape_));
  return taken;
}

std::optional<LtAlgorithm> LtProduct::checked(const cublasLtMatmulAlgo_t& algorithm) const {
  cublasLtMatmulHeuristicResult_t found{};
  const cublasStatus_t status =
      CublasLt::get().MatmulAlgoCheck(handle_, operation_, b_, a_, c_, c_, &algorithm, &found);
  if (status != CUBLAS_STATUS_SUCCESS || found.workspaceSize > kMaxWorkspace) return std::nullopt;
  return LtAlgorithm{algorithm, found.workspaceSize};
}

bool LtProduct::may_round() const { return compute_type(shape_) != CUBLAS_COMPUTE_32F; }

void LtProduct::release() {
  const CublasLt& lt = CublasLt::get();
  if (preference_ != nullptr) lt.MatmulPreferenceDestroy(preference_);
  for (const cublasLtMatrixLayout_t layout : {a_, b_, c_}) {
    if (layout != nullptr) lt.MatrixLayoutDestroy(layout);
  }
  if (operation_ != nullptr) lt.MatmulDescDestroy(operation_);
}

}  // namespace gradstep::cuda
