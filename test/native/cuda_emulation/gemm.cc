// The GEMM seam of the emulation: plain loops, as work on the stream; operands are rounded where that is allowed. It
// scribbles over the workspace it asked for, so that a step that keeps something of its own there is found out.
#include "cuda/gemm.h"

#include <vector>

#include "calls.h"
#include "cuda/check.h"
#include "device_memory.h"
#include "machine.h"
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

void multiply(const GemmShape& s, const float* a, const float* b, const float* bias, float* c) {
  std::vector<float> row(static_cast<size_t>(s.n));
  const auto operand = [&](float x) { return rounded(x, s.precision); };
  const int64_t row_b = s.row_b != 0 ? s.row_b : s.transpose_b ? s.k : s.n;
  for (int64_t i = 0; i < s.m; i++) {
    for (int64_t j = 0; j < s.n; j++) row[static_cast<size_t>(j)] = 0.f;
    for (int64_t p = 0; p < s.k; p++) {
      const float x = operand(s.transpose_a ? a[p * s.m + i] : a[i * s.k + p]);
      for (int64_t j = 0; j < s.n; j++)
        row[static_cast<size_t>(j)] += x * operand(s.transpose_b ? b[j * row_b + p] : b[p * row_b + j]);
    }
    for (int64_t j = 0; j < s.n; j++) {
      float y = row[static_cast<size_t>(j)];
      if (s.bias) y += bias[j];
      if (s.accumulate) y += c[i * s.n + j];
      if (s.relu && y < 0.f) y = 0.f;
      c[i * s.n + j] = y;
    }
  }
}

void need(const char* name) {
  check(emulation::call(name, [] { return cudaSuccess; }), name);
}

class EmulatedGemm final : public Gemm {
 public:
  EmulatedGemm() {
    need("make_gemm");
    emulation::add_object(emulation::Kind::kGemm, this);
  }
  ~EmulatedGemm() override { emulation::remove_object(emulation::Kind::kGemm, this); }

  size_t workspace_bytes(const GemmShape&) override { return kWorkspace; }

  Run plan(const GemmShape& shape) override {
    need("plan_gemm");
    GemmShape s = shape;
    if (!emulation::cublas_rounds()) s.precision = Precision::kFloat32;
    return [s](cudaStream_t stream, const float* a, const float* b, const float* bias, float* c, void* workspace) {
      const auto on_device = [](const void* address, int64_t floats) {
        return emulation::device_of(address, static_cast<size_t>(floats) * sizeof(float)) ==
               emulation::this_thread().device;
      };
      const int64_t others = s.batch - 1;
      const int64_t rows = s.transpose_b ? s.n : s.k, columns = s.transpose_b ? s.k : s.n;
      const int64_t floats_b = s.row_b != 0 ? (rows - 1) * s.row_b + columns : rows * columns;
      if (!on_device(a, others * s.stride_a + s.m * s.k) || !on_device(b, others * s.stride_b + floats_b) ||
          !on_device(c, s.batch * s.m * s.n) || (s.bias && !on_device(bias, s.n)) ||
          emulation::device_of(workspace, kWorkspace) != emulation::this_thread().device) {
        throw Error("ERR_DEVICE_FAILED", "A matrix of a product leaves device memory");
      }
      check(emulation::enqueue(stream,
                               [=] {
                                 memset(workspace, 0xFF, kWorkspace);
                                 for (int64_t i = 0; i < s.batch; i++)
                                   multiply(s, a + i * s.stride_a, b + i * s.stride_b, bias, c + i * s.m * s.n);
                                 emulation::was_written(c, static_cast<size_t>(s.batch * s.m * s.n) * sizeof(float));
                               }),
            "gemm");
    };
  }
};

}  // namespace

std::unique_ptr<Gemm> make_gemm(bool) {
  if (const std::string problem = gemm_problem(); !problem.empty()) throw Error("ERR_DEVICE_UNAVAILABLE", problem);
  return std::make_unique<EmulatedGemm>();
}

std::string gemm_problem() { return emulation::cublas_problem(); }

}  // namespace gradstep::cuda
