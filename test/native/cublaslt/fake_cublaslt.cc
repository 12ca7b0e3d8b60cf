// A stand-in for libcublasLt.so.13 that multiplies on the CPU as NVIDIA documents the calls: column-major matrices,
// D = epilogue(alpha·op(A)·op(B) + beta·C), the bias one value a row of D. Only what native/cuda/gemm.cc asks for;
// anything else is refused. It says that it needs 256 bytes of workspace, and fails without them. Every call can be
// made to fail, and algorithms can be slow, wrong or refused (fake_cublaslt.h).
#include "fake_cublaslt.h"

#include <cublasLt.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr size_t kWorkspace = 256;

// To nearest; ties to even in bfloat16, away from zero in TF32.
float rounded(float x, cublasComputeType_t compute) {
  if (compute == CUBLAS_COMPUTE_32F) return x;
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? (bits + 0x1000) & 0xFFFFE000u
                                                 : (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

uint64_t calls_left = 0;  // until the one that fails, counting it; 0: none will
cublasStatus_t planned = CUBLAS_STATUS_SUCCESS;
std::string failed;
int alive = 0;

constexpr uint64_t kOurs = 42;  // in the first word of an algorithm; the second one is its number
std::vector<FakeAlgorithm> algorithms = {{0, kRight}};
size_t version = 130000;
int launches = 0, last = -1;
double seconds = 0;

cublasStatus_t planned_failure(const char* call) {
  if (calls_left == 0 || --calls_left > 0) return CUBLAS_STATUS_SUCCESS;
  failed = call;
  return planned;
}
#define GRADSTEP_MAY_FAIL \
  if (const cublasStatus_t status = planned_failure(__func__); status != CUBLAS_STATUS_SUCCESS) return status

template <typename Handle, typename T>
void give(Handle* handle, T* object) {
  alive++;
  *handle = reinterpret_cast<Handle>(object);
}

// Lets go even where it is made to fail.
template <typename T, typename Handle>
cublasStatus_t let_go(const char* call, Handle handle) {
  alive--;
  delete reinterpret_cast<T*>(handle);
  return planned_failure(call);
}

// cuBLASLt's objects are opaque: ours are keyed by the handles that are given out.
struct Matrix {
  uint64_t rows, columns;
  int64_t ld;
  int32_t batch = 1;
  int64_t stride = 0;
};

struct Operation {
  cublasComputeType_t compute;  // strict float32, or to what operands are rounded
  std::map<int, std::vector<char>> attributes;
  template <typename T>
  T get(int attribute, T otherwise) const {
    const auto found = attributes.find(attribute);
    if (found == attributes.end()) return otherwise;
    memcpy(&otherwise, found->second.data(), sizeof otherwise);
    return otherwise;
  }
};

const Matrix& matrix(cublasLtMatrixLayout_t handle) { return *reinterpret_cast<const Matrix*>(handle); }
const Operation& operation(cublasLtMatmulDesc_t handle) { return *reinterpret_cast<const Operation*>(handle); }

uint64_t rows_of(const Matrix& m, bool transposed) { return transposed ? m.columns : m.rows; }
uint64_t columns_of(const Matrix& m, bool transposed) { return transposed ? m.rows : m.columns; }
float at(const float* data, const Matrix& m, bool transposed, uint64_t row, uint64_t column) {
  const uint64_t r = transposed ? column : row, c = transposed ? row : column;
  return data[c * static_cast<uint64_t>(m.ld) + r];
}

bool transposed(const Operation& op, cublasLtMatmulDescAttributes_t which) {
  return op.get<int32_t>(which, CUBLAS_OP_N) == CUBLAS_OP_T;
}

bool fits(const Operation& op, const Matrix& a, const Matrix& b, const Matrix& d) {
  const bool ta = transposed(op, CUBLASLT_MATMUL_DESC_TRANSA), tb = transposed(op, CUBLASLT_MATMUL_DESC_TRANSB);
  for (const Matrix& m : {a, b, d}) {
    if (m.ld < static_cast<int64_t>(m.rows) || m.batch != d.batch) return false;
  }
  return columns_of(a, ta) == rows_of(b, tb) && rows_of(a, ta) == d.rows && columns_of(b, tb) == d.columns;
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  GRADSTEP_MAY_FAIL;
  give(handle, new int(1));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return let_go<int>(__func__, handle); }

void fake_cublaslt_fail(uint64_t n, cublasStatus_t status) {
  calls_left = n;
  planned = status;
  failed.clear();
}

const char* fake_cublaslt_failed() { return failed.c_str(); }

int fake_cublaslt_alive() { return alive; }

void fake_cublaslt_propose(const FakeAlgorithm* proposed, int count) { algorithms.assign(proposed, proposed + count); }
void fake_cublaslt_version(size_t said) { version = said; }
int fake_cublaslt_launches() { return launches; }
double fake_cublaslt_seconds() { return seconds; }
int fake_cublaslt_last() { return last; }

size_t cublasLtGetVersion() { return version; }

const char* cublasLtGetStatusString(cublasStatus_t) { return "refused by the stand-in"; }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  GRADSTEP_MAY_FAIL;
  const bool known = compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                     compute == CUBLAS_COMPUTE_32F_FAST_16BF;
  if (!known || scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  give(desc, new Operation{compute, {}});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return let_go<Operation>(__func__, desc); }

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  GRADSTEP_MAY_FAIL;
  const size_t expected = attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER ? sizeof(void*) : sizeof(int32_t);
  if (bytes != expected) return CUBLAS_STATUS_INVALID_VALUE;
  const char* from = static_cast<const char*>(value);
  reinterpret_cast<Operation*>(desc)->attributes[attribute].assign(from, from + bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
  GRADSTEP_MAY_FAIL;
  if (type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  give(layout, new Matrix{rows, columns, ld, 1, 0});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  GRADSTEP_MAY_FAIL;
  Matrix& m = *reinterpret_cast<Matrix*>(layout);
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && bytes == sizeof m.batch) {
    memcpy(&m.batch, value, bytes);
  } else if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && bytes == sizeof m.stride) {
    memcpy(&m.stride, value, bytes);
  } else {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return let_go<Matrix>(__func__, layout); }

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  GRADSTEP_MAY_FAIL;
  give(preference, new size_t(0));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return let_go<size_t>(__func__, preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t bytes) {
  GRADSTEP_MAY_FAIL;
  const bool workspace = attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
  if (bytes != (workspace ? sizeof(uint64_t) : sizeof(uint32_t))) return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace) memcpy(reinterpret_cast<size_t*>(preference), value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

// No algorithm for products of 13 terms, so that this can be tried.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
                                              int wanted, cublasLtMatmulHeuristicResult_t results[], int* found) {
  GRADSTEP_MAY_FAIL;
  *found = 0;
  const Operation& op = operation(desc);
  if (!fits(op, matrix(a), matrix(b), matrix(d))) return CUBLAS_STATUS_INVALID_VALUE;
  const bool ta = transposed(op, CUBLASLT_MATMUL_DESC_TRANSA);
  if (columns_of(matrix(a), ta) == 13) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (wanted < 1 || *reinterpret_cast<size_t*>(preference) < kWorkspace) return CUBLAS_STATUS_INVALID_VALUE;
  for (; *found < wanted && static_cast<size_t>(*found) < algorithms.size(); ++*found) {
    cublasLtMatmulHeuristicResult_t& result = results[*found];
    result = {};
    result.algo.data[0] = kOurs;
    result.algo.data[1] = static_cast<uint64_t>(*found);
    result.workspaceSize = kWorkspace;
    const bool unsupported = algorithms[static_cast<size_t>(*found)].result == kUnsupported;
    result.state = unsupported ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result) {
  GRADSTEP_MAY_FAIL;
  if (algo->data[0] != kOurs || algo->data[1] >= algorithms.size()) return CUBLAS_STATUS_INVALID_VALUE;
  result->workspaceSize = kWorkspace;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo, void* workspace,
                              size_t workspace_bytes, cudaStream_t) {
  GRADSTEP_MAY_FAIL;
  if (algo->data[0] != kOurs || algo->data[1] >= algorithms.size()) return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace == nullptr || workspace_bytes < kWorkspace) return CUBLAS_STATUS_INVALID_VALUE;
  last = static_cast<int>(algo->data[1]);
  const FakeAlgorithm& algorithm = algorithms[static_cast<size_t>(last)];
  if (algorithm.result == kRefused || algorithm.result == kUnsupported) return CUBLAS_STATUS_EXECUTION_FAILED;
  launches++;
  seconds += algorithm.seconds;
  memset(workspace, 0xFF, kWorkspace);
  const Operation& op = operation(desc);
  const Matrix &ma = matrix(a_layout), &mb = matrix(b_layout), &md = matrix(d_layout);
  if (!fits(op, ma, mb, md)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool ta = transposed(op, CUBLASLT_MATMUL_DESC_TRANSA), tb = transposed(op, CUBLASLT_MATMUL_DESC_TRANSB);
  const auto epilogue = op.get<int32_t>(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);
  const auto* bias = op.get<const float*>(CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr);
  for (int64_t batch = 0; batch < md.batch; batch++) {
    const float* from_a = static_cast<const float*>(a) + batch * ma.stride;
    const float* from_b = static_cast<const float*>(b) + batch * mb.stride;
    const float* from_c = static_cast<const float*>(c) + batch * md.stride;
    float* to = static_cast<float*>(d) + batch * md.stride;
    for (uint64_t j = 0; j < md.columns; j++) {
      for (uint64_t i = 0; i < md.rows; i++) {
        double sum = 0;
        for (uint64_t p = 0; p < columns_of(ma, ta); p++) {
          const float x = rounded(at(from_a, ma, ta, i, p), op.compute);
          sum += static_cast<double>(x) * rounded(at(from_b, mb, tb, p, j), op.compute);
        }
        double y = *static_cast<const float*>(alpha) * sum;
        const uint64_t place = j * static_cast<uint64_t>(md.ld) + i;
        if (*static_cast<const float*>(beta) != 0.f) y += *static_cast<const float*>(beta) * from_c[place];
        if ((epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) y += bias[i];
        if ((epilogue & CUBLASLT_EPILOGUE_RELU) != 0 && y < 0) y = 0;
        to[place] = static_cast<float>(y);
      }
    }
  }
  if (algorithm.result == kWrong)
    static_cast<float*>(d)[(md.columns - 1) * static_cast<uint64_t>(md.ld) + md.rows - 1] += 1;
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
