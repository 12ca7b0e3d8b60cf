// The GEMM seam of the emulation: plain loops, as work on the stream; operands are rounded where that is allowed, and
// every epilogue is there whose aux has rows that cuBLASLt would take. It scribbles over the workspace it asked for, so
// that a step that keeps something of its own there is found out. Which of its algorithms is the fastest is not
// measured but given (machine.h), and chosen as among those of cuBLASLt.
#include "cuda/gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "calls.h"
#include "core/program.h"
#include "cuda/check.h"
#include "device_memory.h"
#include "machine.h"
#include "ops/scalar.h"
#include "races.h"

namespace gradstep::cuda {
namespace {

constexpr size_t kWorkspace = 512;

// To nearest; ties to even in bfloat16, away from zero in TF32.
float rounded(float x, Precision precision) {
  if (precision == Precision::kFloat32 || x != x) return x;
  const bool half = precision == Precision::kBfloat16;
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits += half ? 0x7FFF + (bits >> 16 & 1) : 0x1000;
  bits &= half ? 0xFFFF0000u : 0xFFFFE000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// Of one element, whose sum with the bias is z. `aux` is the row's.
float finished(const GemmShape& s, float z, void* aux, int64_t j) {
  auto* const words = static_cast<uint32_t*>(aux);
  auto* const floats = static_cast<float*>(aux);
  const uint32_t bit = 1u << (j % 32);
  switch (s.epilogue) {
    case Epilogue::kNone:
      return z;
    case Epilogue::kRelu:
      if (s.aux) words[j / 32] = (words[j / 32] & ~bit) | (z > 0.f ? bit : 0u);
      return scalar::relu(z);
    case Epilogue::kGelu:
      if (s.aux) floats[j] = z;
      return scalar::gelu(z);
    case Epilogue::kReluSlope:
      return (words[j / 32] & bit) != 0 ? z : 0.f;
    case Epilogue::kGeluSlope:
      return z * scalar::gelu_slope(floats[j]);
  }
  return z;
}

// Numbers as float32: where they are, or in `copy`.
const float* wide(const void* from, int64_t count, DType type, std::vector<float>& copy) {
  if (type == DType::kFloat32) return static_cast<const float*>(from);
  copy.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < copy.size(); i++) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(from)[i]) << 16;
    memcpy(&copy[i], &bits, sizeof bits);
  }
  return copy.data();
}

int64_t span_a(const GemmShape& s) { return s.m * s.k; }
int64_t span_b(const GemmShape& s) {
  const int64_t rows = s.transpose_b ? s.n : s.k, columns = s.transpose_b ? s.k : s.n;
  return s.row_b != 0 ? (rows - 1) * s.row_b + columns : rows * columns;
}

void multiply(const GemmShape& s, bool backward, const GemmOperands& o) {
  std::vector<float> copy_a, copy_b, copy_bias, copy_c, row(static_cast<size_t>(s.n));
  const float *const a = wide(o.a, span_a(s), s.operands, copy_a), *const b = wide(o.b, span_b(s), s.operands, copy_b);
  const float* const bias = s.bias ? wide(o.bias, s.n, s.result, copy_bias) : nullptr;
  const float* const before = wide(o.c, s.m * s.n, s.result, copy_c);
  const auto store = [&](int64_t at, float y) {
    if (s.has_narrow_result()) {
      y = rounded(y, Precision::kBfloat16);
      memcpy(static_cast<uint16_t*>(o.c) + at, reinterpret_cast<const char*>(&y) + 2, 2);
    } else {
      static_cast<float*>(o.c)[at] = y;
    }
  };
  const auto operand = [&](float x) { return rounded(x, s.precision); };
  const int64_t row_b = s.row_b != 0 ? s.row_b : s.transpose_b ? s.k : s.n;
  if (s.sums) std::fill(o.sums, o.sums + s.n, 0.f);
  for (int64_t i = 0; i < s.m; i++) {
    for (int64_t j = 0; j < s.n; j++) row[static_cast<size_t>(j)] = 0.f;
    for (int64_t term = 0; term < s.k; term++) {
      const int64_t p = backward ? s.k - 1 - term : term;
      const float x = operand(s.transpose_a ? a[p * s.m + i] : a[i * s.k + p]);
      for (int64_t j = 0; j < s.n; j++)
        row[static_cast<size_t>(j)] += x * operand(s.transpose_b ? b[j * row_b + p] : b[p * row_b + j]);
    }
    for (int64_t j = 0; j < s.n; j++) {
      float y = row[static_cast<size_t>(j)];
      if (s.bias) y += bias[j];
      if (s.accumulate) y += before[i * s.n + j];
      y = finished(s, y, o.aux == nullptr ? nullptr : static_cast<uint32_t*>(o.aux) + i * s.aux_row(), j);
      store(i * s.n + j, y);
      if (s.sums && is_slope(s.epilogue)) o.sums[j] += y;
    }
  }
  if (!s.sums || is_slope(s.epilogue)) return;
  for (int64_t p = 0; p < s.k; p++) {
    for (int64_t j = 0; j < s.n; j++) o.sums[j] += s.transpose_b ? b[j * row_b + p] : b[p * row_b + j];
  }
}

void need(const char* name) {
  check(emulation::call(name, [] { return cudaSuccess; }), name);
}

class EmulatedGemm final : public Gemm {
 public:
  explicit EmulatedGemm(Choices& choices) : choices_(choices) {
    need("make_gemm");
    emulation::add_object(emulation::Kind::kGemm, this);
  }
  ~EmulatedGemm() override { emulation::remove_object(emulation::Kind::kGemm, this); }

  bool supports(const GemmShape& s) override {
    if (s.has_narrow_operands() && emulation::capability(emulation::this_thread().device).major < 8) return false;
    if (s.has_narrow_result() && s.has_floats_beside()) return false;
    return !s.has_aux() || s.has_bits() || s.n % 8 == 0;
  }

  size_t workspace_bytes(const GemmShape&) override { return kWorkspace; }

  Run plan(const GemmShape& shape) override {
    need("plan_gemm");
    if (!supports(shape)) throw Error("ERR_DEVICE_UNAVAILABLE", "There is no such product");
    GemmShape s = shape;
    if (!emulation::cublas_rounds()) s.precision = Precision::kFloat32;
    return Run([s, backward = choose(s) == "backward"](cudaStream_t stream, const GemmOperands& o) {
      const auto on_device = [](const void* address, int64_t count, DType type = DType::kFloat32) {
        return emulation::device_of(address, static_cast<size_t>(count) * dtype_bytes(type)) ==
               emulation::this_thread().device;
      };
      const int64_t others = s.batch - 1;
      if (!on_device(o.a, others * s.stride_a + span_a(s), s.operands) ||
          !on_device(o.b, others * s.stride_b + span_b(s), s.operands) ||
          !on_device(o.c, s.batch * s.m * s.n, s.result) || (s.bias && !on_device(o.bias, s.n, s.result)) ||
          (s.has_aux() && !on_device(o.aux, s.m * s.aux_row())) || (s.sums && !on_device(o.sums, s.n)) ||
          emulation::device_of(o.workspace, kWorkspace) != emulation::this_thread().device) {
        throw Error("ERR_DEVICE_FAILED", "A matrix of a product leaves device memory");
      }
      const bool reads_aux = is_slope(s.epilogue);
      check(emulation::enqueue(
                stream, {o.a, o.b, o.bias, reads_aux ? o.aux : nullptr},
                {o.c, o.workspace, o.sums, reads_aux ? nullptr : o.aux},
                [=] {
                  memset(o.workspace, 0xFF, kWorkspace);
                  for (int64_t i = 0; i < s.batch; i++) {
                    const auto behind = [](const void* from, int64_t count, DType type) {
                      return static_cast<const char*>(from) + count * static_cast<int64_t>(dtype_bytes(type));
                    };
                    GemmOperands one = o;
                    one.a = behind(o.a, i * s.stride_a, s.operands);
                    one.b = behind(o.b, i * s.stride_b, s.operands);
                    one.c = const_cast<char*>(behind(o.c, i * s.m * s.n, s.result));
                    multiply(s, backward, one);
                  }
                  emulation::was_written(o.c, static_cast<size_t>(s.batch * s.m * s.n) * dtype_bytes(s.result));
                  if (s.sums) emulation::was_written(o.sums, static_cast<size_t>(s.n) * sizeof(float));
                  if (s.aux) {
                    emulation::was_written(o.aux, static_cast<size_t>(s.m * s.aux_row()) * sizeof(float));
                  }
                }),
            "gemm");
    });
  }

 private:
  std::string choose(const GemmShape& s) {
    const std::vector<std::string> known = emulation::product_algorithms();
    if (!choices_.measures()) return known.front();
    std::string what = "product";
    for (const int64_t number : {s.m, s.n, s.k, s.batch}) what += " " + std::to_string(number);
    const auto kept = choices_.find(what).value_or(Choices::Bytes());
    const std::string before(kept.begin(), kept.end()), &best = known.back();
    if (std::find(known.begin(), known.end(), before) != known.end()) return before;
    const Choices::Bytes choice(best.begin(), best.end());
    if (known.size() > 1) {
      choices_.keep(what, choice);
    } else {
      choices_.take(what, choice);
    }
    return best;
  }

  Choices& choices_;
};

}  // namespace

std::unique_ptr<Gemm> make_gemm(Choices& choices) {
  if (const std::string problem = gemm_problem(); !problem.empty()) throw Error("ERR_DEVICE_UNAVAILABLE", problem);
  return std::make_unique<EmulatedGemm>(choices);
}

std::string gemm_problem() { return emulation::cublas_problem(); }

std::string gemm_library() { return "emulated products"; }

}  // namespace gradstep::cuda
