// The GEMM seam: row-major c = epilogue(op(a)·op(b) + bias), or c += op(a)·op(b) + bias, on cuBLASLt. Descriptors are
// made and the algorithm is chosen when it is planned: the fastest of those that the library proposes, as measured here
// or, as the session's choices know, before. Running one only launches. In the tests' emulation the same interface
// multiplies on the CPU.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cuda/choices.h"
#include "cuda/precision.h"
#include "generated/tensor.h"

namespace gradstep::cuda {

// What is done to a product, bias included, before it is stored. gelu is the form with tanh (ops/scalar.h). A slope
// epilogue multiplies by the activation's slope, which it takes from what the other one has left in `aux`.
enum class Epilogue : int32_t { kNone, kRelu, kGelu, kReluSlope, kGeluSlope };

inline bool is_slope(Epilogue epilogue) { return epilogue == Epilogue::kReluSlope || epilogue == Epilogue::kGeluSlope; }

// Words of 32 bits that a row of so many bits takes: cuBLASLt wants multiples of 128 bits.
inline int64_t bit_words(int64_t bits) { return (bits + 127) / 128 * 4; }

struct GemmShape {
  int64_t m, n, k;                // c is [m, n]
  bool transpose_a, transpose_b;  // a is stored [k, m], b is stored [n, k]
  bool accumulate;                // c += …; not together with an epilogue
  bool bias;                      // one value a column of c; not together with a slope
  Epilogue epilogue = Epilogue::kNone;
  // A relu or gelu that leaves in aux what its slope follows from. Of relu one bit an element, whether it is above 0,
  // the least significant first, in rows of bit_words(n) words; of gelu the sums before it, [m, n] with n a multiple
  // of 8.
  bool aux = false;
  // The gradient of a bias: behind a slope of c's columns; behind no epilogue, where c is a weight's gradient, of
  // op(b)'s.
  bool sums = false;
  // Several products at once: c's matrices follow one another, a's and b's lie this many numbers apart (0: one for
  // all). Not with aux, sums or a slope.
  int64_t batch = 1, stride_a = 0, stride_b = 0;
  int64_t row_b =
      0;  // numbers from one stored row of b to the next: b is columns of a wider matrix. 0: as many as it has
  // To what operands may be rounded, and are where the library has such an algorithm; sums stay in float32.
  Precision precision = Precision::kFloat32;
  // How a and b are stored, and how c is: in float32 or bfloat16. Operands in bfloat16 are multiplied as they are, in
  // that precision; only with them c may be, too, and is rounded once. A bias is stored as c is; sums and the sums
  // before gelu are float32 always.
  DType operands = DType::kFloat32, result = DType::kFloat32;

  // Whether the epilogue reads or writes aux; whether that is bits; and how many words it is from one row to the next.
  bool has_aux() const { return aux || is_slope(epilogue); }
  bool has_bits() const { return epilogue == Epilogue::kRelu || epilogue == Epilogue::kReluSlope; }
  int64_t aux_row() const { return has_bits() ? bit_words(n) : n; }
  bool has_narrow_operands() const { return operands == DType::kBfloat16; }
  bool has_narrow_result() const { return result == DType::kBfloat16; }
  // Whether the epilogue reads or writes float32 beside c: where c is bfloat16, cuBLASLt would have it in c's type.
  bool has_floats_beside() const { return sums || (has_aux() && !has_bits()); }
};

// How far the results of two algorithms may be apart for operands in (−1, 1), by the rounding of products and of sums.
inline double product_tolerance(int64_t terms, Precision precision) {
  const double k = static_cast<double>(terms);
  return rounding_rate(precision) * (1 + std::sqrt(k)) + 1e-7 * k;
}

// Operands that are stored in bfloat16 are not rounded, and c is in the end.
inline double product_tolerance(const GemmShape& s) {
  const Precision rounding = s.has_narrow_operands() && !s.has_narrow_result() ? Precision::kFloat32 : s.precision;
  return product_tolerance(s.k, rounding);
}

struct GemmOperands {
  const void *a, *b, *bias;
  void* c;
  void* workspace;  // the step's: as many bytes as workspace_bytes asked for
  void* aux;        // written by an activation, read by a slope
  float* sums;
};

class Gemm {
 public:
  // Launches a product.
  class Run {
   public:
    using Launch = std::function<void(cudaStream_t, const GemmOperands&)>;
    Run() = default;
    explicit Run(Launch launch) : launch_(std::move(launch)) {}
    explicit operator bool() const { return static_cast<bool>(launch_); }
    void operator()(cudaStream_t stream, const void* a, const void* b, const void* bias, void* c, void* workspace,
                    void* aux = nullptr, float* sums = nullptr) const {
      launch_(stream, {a, b, bias, c, workspace, aux, sums});
    }

   private:
    Launch launch_;
  };

  virtual ~Gemm() = default;
  // Whether there is an algorithm: not every library has every epilogue for every type, device and shape.
  virtual bool supports(const GemmShape& shape) = 0;
  virtual size_t workspace_bytes(const GemmShape& shape) = 0;
  virtual Run plan(const GemmShape& shape) = 0;
};

// Throws ERR_DEVICE_UNAVAILABLE where gemm_problem() has something to say. The device must be current. `choices` must
// outlive it; where they do not measure, algorithms are the library's first proposals.
std::unique_ptr<Gemm> make_gemm(Choices& choices);

// Why products cannot be computed here and how to mend it; empty: they can.
std::string gemm_problem();

// What makes the products, and its version: choices depend on it. Empty where there is a problem.
std::string gemm_library();

}  // namespace gradstep::cuda
