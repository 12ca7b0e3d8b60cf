#include "cuda/gemm_trial.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/program.h"
#include "cuda/fastest.h"
#include "cuda/handles.h"
#include "ops/scalar.h"

namespace gradstep::cuda {
namespace {

float* floats(const DeviceMemory& memory) { return reinterpret_cast<float*>(memory.data()); }

// The operands of one product, filled with numbers in (−1, 1).
class Operands {
 public:
  Operands(const GemmShape& s, size_t workspace_bytes, cudaStream_t stream)
      : shape_(s),
        stream_(stream),
        row_b_(s.row_b != 0    ? s.row_b
               : s.transpose_b ? s.k
                               : s.n),
        a_(matrix((s.batch - 1) * s.stride_a + s.m * s.k, s.operands)),
        b_(matrix((s.batch - 1) * s.stride_b + (s.transpose_b ? s.n : s.k) * row_b_, s.operands)),
        bias_(matrix(s.bias ? s.n : 0, s.result)),
        before_(matrix(s.batch * s.m * s.n, s.result)),
        c_(matrix(s.batch * s.m * s.n, s.result)),
        aux_(matrix(s.has_aux() ? s.m * s.aux_row() : 0)),
        sums_(matrix(s.sums ? s.n : 0)),
        workspace_(workspace_bytes, kPurpose) {}

  GemmOperands all() const {
    return {a_.data(), b_.data(), bias_.data(), c_.data(), workspace_.data(), aux_.data(), floats(sums_)};
  }
  int64_t results() const { return shape_.batch * shape_.m * shape_.n; }
  void reset(cudaStream_t stream) const {
    GRADSTEP_CUDA(cudaMemcpyAsync(c_.data(), before_.data(), c_.bytes(), cudaMemcpyDeviceToDevice, stream));
  }

  // Makes row 0 of op(a) 1, 0, 0 …, so that row 0 of the product is row 0 of op(b), and its first element 0.
  void make_row_known() const {
    const GemmShape& s = shape_;
    const size_t each = dtype_bytes(s.operands), apart = static_cast<size_t>(s.transpose_a ? s.m : 1) * each;
    GRADSTEP_CUDA(cudaMemset2DAsync(a_.data(), apart, 0, each, static_cast<size_t>(s.k), stream_));
    // bfloat16 is the upper half of a float32, which comes last.
    const float one = 1.f;
    GRADSTEP_CUDA(cudaMemcpyAsync(a_.data(), reinterpret_cast<const char*>(&one) + sizeof one - each, each,
                                  cudaMemcpyHostToDevice, stream_));
    GRADSTEP_CUDA(cudaMemsetAsync(b_.data(), 0, each, stream_));
    if (s.bias) GRADSTEP_CUDA(cudaMemsetAsync(bias_.data(), 0, dtype_bytes(s.result), stream_));
    GRADSTEP_CUDA(cudaStreamSynchronize(stream_));
  }

  // Whether the last launch did what the epilogue says, seen in that row and, where it is a matter of what goes with
  // what, in the last row too.
  bool is_right() const {
    const GemmShape& s = shape_;
    constexpr double kExact = 4e-6;
    const bool is_exact = s.has_narrow_operands() && !s.has_narrow_result();
    const double rounding = is_exact                              ? kExact
                            : s.precision == Precision::kBfloat16 ? 2e-2
                            : s.precision == Precision::kTf32     ? 2e-3
                                                                  : kExact;
    const auto within = [](double rate, double got, double expected) {
      return std::abs(got - expected) <= rate * (1 + std::abs(expected));
    };
    const auto near = [&](double got, double expected) { return within(rounding, got, expected); };
    const std::vector<float> b = strided(b_, 0, s.n, s.transpose_b ? row_b_ : 1, s.operands),
                             bias = strided(bias_, 0, s.bias ? s.n : 0, 1, s.result);
    for (const int64_t row : {int64_t{0}, s.m - 1}) {
      const std::vector<float> c = strided(c_, row * s.n, s.n, 1, s.result);
      const std::vector<float> aux = strided(aux_, row * s.aux_row(), s.has_aux() ? s.aux_row() : 0);
      for (int64_t j = 0; j < s.n; j++) {
        const auto at = static_cast<size_t>(j);
        const bool is_known = row == 0;
        const float z = b[at] + (s.bias ? bias[at] : 0.f);
        bool right = true;
        switch (s.epilogue) {
          case Epilogue::kNone:
            right = !is_known || near(c[at], z);
            break;
          case Epilogue::kRelu:
            right = (!is_known || near(c[at], scalar::relu(z))) && (!s.aux || bit(aux, j) == (c[at] > 0.f));
            break;
          case Epilogue::kGelu:
            right =
                (!is_known || near(c[at], scalar::gelu(z))) && (!s.aux || within(kExact, c[at], scalar::gelu(aux[at])));
            break;
          case Epilogue::kReluSlope:
            right = is_known ? near(c[at], bit(aux, j) ? z : 0.f) : bit(aux, j) || c[at] == 0.f;
            break;
          case Epilogue::kGeluSlope:
            right = !is_known || near(c[at], z * scalar::gelu_slope(aux[at]));
            break;
        }
        if (!right) return false;
      }
    }
    return !s.sums || (sums_up(0) && sums_up(s.n - 1));
  }

 private:
  static constexpr const char* kPurpose = "a product that is tried";

  DeviceMemory matrix(int64_t count, DType type = DType::kFloat32) const {
    DeviceMemory memory(static_cast<uint64_t>(count) * dtype_bytes(type), kPurpose);
    fill_with_numbers(memory.data(), count, stream_, 1, type);
    return memory;
  }

  std::vector<float> strided(const DeviceMemory& from, int64_t first, int64_t count, int64_t apart = 1,
                             DType type = DType::kFloat32) const {
    std::vector<float> numbers(static_cast<size_t>(count));
    if (count == 0) return numbers;
    // To the upper halves, where they are bfloat16.
    const size_t each = dtype_bytes(type);
    GRADSTEP_CUDA(cudaMemcpy2DAsync(reinterpret_cast<char*>(numbers.data()) + sizeof(float) - each, sizeof(float),
                                    from.data() + static_cast<size_t>(first) * each, static_cast<size_t>(apart) * each,
                                    each, static_cast<size_t>(count), cudaMemcpyDeviceToHost, stream_));
    GRADSTEP_CUDA(cudaStreamSynchronize(stream_));
    return numbers;
  }

  static bool bit(const std::vector<float>& words, int64_t j) {
    uint32_t word;
    memcpy(&word, &words[static_cast<size_t>(j / 32)], sizeof word);
    return (word >> (j % 32) & 1) != 0;
  }

  // Of c, or of what was not rounded of op(b).
  bool sums_up(int64_t column) const {
    const GemmShape& s = shape_;
    const std::vector<float> terms = s.epilogue != Epilogue::kNone ? strided(c_, column, s.m, s.n, s.result)
                                     : s.transpose_b               ? strided(b_, column * row_b_, s.k, 1, s.operands)
                                                                   : strided(b_, column, s.k, row_b_, s.operands);
    double sum = 0, size = 0;
    for (const float x : terms) {
      sum += x;
      size += std::abs(x);
    }
    return std::abs(strided(sums_, column, 1)[0] - sum) <= 1e-5 * (1 + size);
  }

  const GemmShape& shape_;
  cudaStream_t stream_;
  int64_t row_b_;
  DeviceMemory a_, b_, bias_, before_, c_, aux_, sums_, workspace_;
};

}  // namespace

bool must_be_seen(const GemmShape& shape) { return shape.has_aux() || shape.sums || shape.epilogue == Epilogue::kGelu; }

std::optional<int> fastest_algorithm(const LtProduct& product, const std::vector<LtAlgorithm>& candidates) {
  const GemmShape& s = product.shape();
  size_t most = 0;
  for (const LtAlgorithm& candidate : candidates) most = std::max(most, candidate.workspace_bytes);
  try {
    const OwnedStream stream = make_stream();
    const Operands operands(s, most, stream.get());
    const auto launch = [&](int i, cudaStream_t on) {
      return product.launch(on, candidates[static_cast<size_t>(i)], operands.all()) == CUBLAS_STATUS_SUCCESS;
    };
    std::vector<bool> is_right(candidates.size(), true);
    if (must_be_seen(s)) {
      operands.make_row_known();
      for (size_t i = 0; i < candidates.size(); i++) {
        is_right[i] = launch(static_cast<int>(i), stream.get()) && operands.is_right();
      }
    }
    const auto try_one = [&](int i, cudaStream_t on) { return is_right[static_cast<size_t>(i)] && launch(i, on); };
    return fastest({static_cast<int>(candidates.size()),
                    try_one,
                    [&](cudaStream_t on) { operands.reset(on); },
                    {{operands.all().c, operands.results(), s.result}},
                    product_tolerance(s)});
  } catch (const Error& error) {
    if (strcmp(error.code(), "ERR_OOM") != 0) throw;
    return std::nullopt;
  }
}

}  // namespace gradstep::cuda
