// A stand-in for libcublasLt.so.13 that multiplies on the CPU as NVIDIA documents the calls: column-major matrices,
// D = epilogue(alpha·op(A)·op(B) + beta·C), bias and sums one value a row of D, aux a matrix of D's rows whose columns
// are as far apart as its leading dimension says. Only what native/cuda/lt_product.cc asks for; anything else is
// refused. It says that it needs 256 bytes of workspace, and fails without them. Every call can be made to fail, and
// algorithms can be slow, wrong or refused (fake_cublaslt.h).
#include "fake_cublaslt.h"

#include <cublasLt.h>

#include <algorithm>
#include <cmath>
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
int lacking = -1;
bool rounds = true;
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
  cudaDataType type;  // float32 or bfloat16
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
// Number of a matrix, counted in memory; and of one of several.
float number(const void* data, const Matrix& m, uint64_t place) {
  if (m.type == CUDA_R_32F) return static_cast<const float*>(data)[place];
  float x = 0;
  memcpy(reinterpret_cast<char*>(&x) + 2, static_cast<const char*>(data) + 2 * place, 2);
  return x;
}
void put(void* data, const Matrix& m, uint64_t place, double value) {
  float x = static_cast<float>(value);
  if (m.type == CUDA_R_32F) {
    static_cast<float*>(data)[place] = x;
  } else {
    x = rounded(x, CUBLAS_COMPUTE_32F_FAST_16BF);
    memcpy(static_cast<char*>(data) + 2 * place, reinterpret_cast<const char*>(&x) + 2, 2);
  }
}
float at(const void* data, const Matrix& m, bool transposed, int64_t batch, uint64_t row, uint64_t column) {
  const uint64_t r = transposed ? column : row, c = transposed ? row : column;
  return number(data, m, static_cast<uint64_t>(batch * m.stride) + c * static_cast<uint64_t>(m.ld) + r);
}

bool transposed(const Operation& op, cublasLtMatmulDescAttributes_t which) {
  return op.get<int32_t>(which, CUBLAS_OP_N) == CUBLAS_OP_T;
}

bool may_compute(const Operation& op) { return rounds || op.compute == CUBLAS_COMPUTE_32F; }

bool fits(const Operation& op, const Matrix& a, const Matrix& b, const Matrix& d) {
  const bool ta = transposed(op, CUBLASLT_MATMUL_DESC_TRANSA), tb = transposed(op, CUBLASLT_MATMUL_DESC_TRANSB);
  for (const Matrix& m : {a, b, d}) {
    if (m.ld < static_cast<int64_t>(m.rows) || m.batch != d.batch || m.batch >= 1 << 16) return false;
  }
  // As the table of types under cublasLtMatmul has it.
  if (a.type != b.type || (a.type == CUDA_R_32F && d.type != CUDA_R_32F)) return false;
  if (a.type == CUDA_R_16BF && op.compute != CUBLAS_COMPUTE_32F) return false;
  return columns_of(a, ta) == rows_of(b, tb) && rows_of(a, ta) == d.rows && columns_of(b, tb) == d.columns;
}

double gelu_of(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double gelu_slope_of(double x) {
  const double t = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

// What an operation does besides to multiply.
struct Finish {
  int32_t epilogue;
  bool bias, sums, of_a, aux, relu, gelu, relu_slope, gelu_slope;
  void* vector;  // bias or sums, of D's type
  uint8_t* address;
  int64_t ld;

  explicit Finish(const Operation& op)
      : epilogue(op.get<int32_t>(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT)),
        vector(op.get<void*>(CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr)),
        address(op.get<uint8_t*>(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, nullptr)),
        ld(op.get<int64_t>(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, 0)) {
    const auto is = [&](std::initializer_list<int32_t> those) {
      return std::find(those.begin(), those.end(), epilogue) != those.end();
    };
    bias = is({CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_RELU_AUX_BIAS,
               CUBLASLT_EPILOGUE_GELU_BIAS, CUBLASLT_EPILOGUE_GELU_AUX_BIAS});
    of_a = is({CUBLASLT_EPILOGUE_BGRADA});
    sums = of_a || is({CUBLASLT_EPILOGUE_DRELU_BGRAD, CUBLASLT_EPILOGUE_DGELU_BGRAD});
    relu_slope = is({CUBLASLT_EPILOGUE_DRELU, CUBLASLT_EPILOGUE_DRELU_BGRAD});
    gelu_slope = is({CUBLASLT_EPILOGUE_DGELU, CUBLASLT_EPILOGUE_DGELU_BGRAD});
    relu = is({CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_RELU_AUX,
               CUBLASLT_EPILOGUE_RELU_AUX_BIAS});
    gelu = is({CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS, CUBLASLT_EPILOGUE_GELU_AUX,
               CUBLASLT_EPILOGUE_GELU_AUX_BIAS});
    aux = relu_slope || gelu_slope ||
          is({CUBLASLT_EPILOGUE_RELU_AUX, CUBLASLT_EPILOGUE_RELU_AUX_BIAS, CUBLASLT_EPILOGUE_GELU_AUX,
              CUBLASLT_EPILOGUE_GELU_AUX_BIAS});
  }

  // As cublasLt.h has it: what must be set, in which multiples, and (as we have no other use) for one product only.
  bool is_described(const Matrix& d) const {
    const bool known = bias || sums || aux || relu || gelu || epilogue == CUBLASLT_EPILOGUE_DEFAULT;
    const auto aligned = [](const void* p) { return p != nullptr && reinterpret_cast<uintptr_t>(p) % 16 == 0; };
    if (!known || ((bias || sums) && vector == nullptr)) return false;
    if (sums && d.batch != 1) return false;
    // They would be of its type, which nobody here means.
    if (d.type != CUDA_R_32F && (sums || gelu_slope || (aux && gelu))) return false;
    if (!aux) return address == nullptr && ld == 0;
    const int64_t multiple = relu || relu_slope ? 128 : 8;
    return aligned(address) && ld % multiple == 0 && ld >= static_cast<int64_t>(d.rows) && d.batch == 1;
  }

  bool bit(uint64_t i, uint64_t j) const {
    const uint64_t at = j * static_cast<uint64_t>(ld) + i;
    return (address[at / 8] >> (at % 8) & 1) != 0;
  }
  void set_bit(uint64_t i, uint64_t j, bool value, bool reversed) const {
    const uint64_t row = reversed ? i / 32 * 32 + 31 - i % 32 : i;
    const uint64_t at = j * static_cast<uint64_t>(ld) + row;
    const auto mask = static_cast<uint8_t>(1 << (at % 8));
    address[at / 8] = static_cast<uint8_t>(value ? address[at / 8] | mask : address[at / 8] & ~mask);
  }
  float* before(uint64_t i, uint64_t j) const {
    return reinterpret_cast<float*>(address) + j * static_cast<uint64_t>(ld) + i;
  }

  double of(double y, const Matrix& d, uint64_t i, uint64_t j, FakeResult result) const {
    if (bias) y += number(vector, d, i);
    if (aux && gelu) *before(i, j) = static_cast<float>(y);
    if (aux && relu) set_bit(i, j, result == kBitsOfZeros ? y >= 0 : y > 0, result == kOtherBits);
    if (relu) y = y < 0 ? 0 : y;
    if (gelu) y = gelu_of(y);
    if (relu_slope) y = bit(i, j) ? y : 0;
    if (gelu_slope) y *= gelu_slope_of(*before(i, j));
    return result == kRough ? y + 1e-4 : y;
  }
};

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
void fake_cublaslt_lack(int epilogue) { lacking = epilogue; }
void fake_cublaslt_round(bool may) { rounds = may; }
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
  const bool is_long = attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER ||
                       attribute == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER ||
                       attribute == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD;
  const size_t expected = is_long ? sizeof(int64_t) : sizeof(int32_t);
  if (bytes != expected) return CUBLAS_STATUS_INVALID_VALUE;
  if (attribute == CUBLASLT_MATMUL_DESC_COMPUTE_TYPE) {
    memcpy(&reinterpret_cast<Operation*>(desc)->compute, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  }
  const char* from = static_cast<const char*>(value);
  reinterpret_cast<Operation*>(desc)->attributes[attribute].assign(from, from + bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
  GRADSTEP_MAY_FAIL;
  if (type != CUDA_R_32F && type != CUDA_R_16BF) return CUBLAS_STATUS_NOT_SUPPORTED;
  give(layout, new Matrix{type, rows, columns, ld, 1, 0});
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
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
                                              int wanted, cublasLtMatmulHeuristicResult_t results[], int* found) {
  GRADSTEP_MAY_FAIL;
  *found = 0;
  const Operation& op = operation(desc);
  if (!fits(op, matrix(a), matrix(b), matrix(d)) || matrix(c).type != matrix(d).type)
    return CUBLAS_STATUS_INVALID_VALUE;
  const bool ta = transposed(op, CUBLASLT_MATMUL_DESC_TRANSA);
  const Finish finish(op);
  if (!finish.is_described(matrix(d))) return CUBLAS_STATUS_INVALID_VALUE;
  if (finish.epilogue == lacking)
    return finish.aux || finish.sums ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_NOT_SUPPORTED;
  if (columns_of(matrix(a), ta) == 13 || !may_compute(op)) return CUBLAS_STATUS_NOT_SUPPORTED;
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

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result) {
  GRADSTEP_MAY_FAIL;
  if (algo->data[0] != kOurs || algo->data[1] >= algorithms.size()) return CUBLAS_STATUS_INVALID_VALUE;
  if (!may_compute(operation(desc))) return CUBLAS_STATUS_NOT_SUPPORTED;
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
  if (!may_compute(op)) return CUBLAS_STATUS_NOT_SUPPORTED;
  const Matrix &ma = matrix(a_layout), &mb = matrix(b_layout), &md = matrix(d_layout);
  if (!fits(op, ma, mb, md)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool ta = transposed(op, CUBLASLT_MATMUL_DESC_TRANSA), tb = transposed(op, CUBLASLT_MATMUL_DESC_TRANSB);
  const Finish finish(op);
  if (!finish.is_described(md)) return CUBLAS_STATUS_INVALID_VALUE;
  std::vector<double> sums(md.rows);
  for (int64_t batch = 0; batch < md.batch; batch++) {
    for (uint64_t j = 0; j < md.columns; j++) {
      for (uint64_t i = 0; i < md.rows; i++) {
        double sum = 0;
        for (uint64_t p = 0; p < columns_of(ma, ta); p++) {
          const float x = rounded(at(a, ma, ta, batch, i, p), op.compute);
          sum += static_cast<double>(x) * rounded(at(b, mb, tb, batch, p, j), op.compute);
        }
        double y = *static_cast<const float*>(alpha) * sum;
        const uint64_t place = static_cast<uint64_t>(batch * md.stride) + j * static_cast<uint64_t>(md.ld) + i;
        if (*static_cast<const float*>(beta) != 0.f) y += *static_cast<const float*>(beta) * number(c, md, place);
        y = finish.of(y, md, i, j, algorithm.result);
        put(d, md, place, y);
        if (!finish.of_a) sums[i] += y;
      }
    }
  }
  for (uint64_t i = 0; finish.of_a && i < md.rows; i++) {
    for (uint64_t p = 0; p < columns_of(ma, ta); p++) sums[i] += at(a, ma, ta, 0, i, p);
  }
  if (algorithm.result == kOtherSums) std::reverse(sums.begin(), sums.end());
  if (finish.sums) std::copy(sums.begin(), sums.end(), static_cast<float*>(finish.vector));
  if (algorithm.result == kWrong) {
    const uint64_t place = (md.columns - 1) * static_cast<uint64_t>(md.ld) + md.rows - 1;
    put(d, md, place, number(d, md, place) + 1);
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
