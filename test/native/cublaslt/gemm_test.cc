// The GEMM seam on a stand-in for cuBLASLt: row-major products of every combination of transposes, bias, activation and
// accumulation, one and several at once, of columns of a wider matrix, of numbers that the precision rounds, against
// loops in float64. Then every call of the library fails once. Prints one line a failure; the exit status says whether
// there was one.
#include "cuda/gemm.h"

#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "fake_cublaslt.h"

namespace gradstep::cuda {
namespace {

int failures = 0;

const Choices& first_proposals() {
  static const Choices choices(0, true);
  return choices;
}

std::vector<float> numbers(size_t n, unsigned seed) {
  std::vector<float> v(n);
  for (float& x : v) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 8) / 8388608.f - 1.f;
  }
  return v;
}

// x to 8 or 11 bits, by arithmetic: the numbers here never lie on a tie.
float rounded(float x, Precision precision) {
  if (precision == Precision::kFloat32) return x;
  const int bits = precision == Precision::kBfloat16 ? 8 : 11;
  int exponent;
  const float part = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(part, bits)), exponent - bits);
}

void compare(Gemm& gemm, const GemmShape& s) {
  const int64_t others = s.batch - 1;
  const int64_t rows_b = s.transpose_b ? s.n : s.k, row_b = s.row_b != 0 ? s.row_b : s.transpose_b ? s.k : s.n;
  const auto operand = [&](float x) { return rounded(x, s.precision); };
  const std::vector<float> a = numbers(static_cast<size_t>(others * s.stride_a + s.m * s.k), 1),
                           b = numbers(static_cast<size_t>(others * s.stride_b + rows_b * row_b), 2);
  const std::vector<float> bias = numbers(static_cast<size_t>(s.n), 3);
  const std::vector<float> before = numbers(static_cast<size_t>(s.batch * s.m * s.n), 4);
  std::vector<float> c = before;
  std::vector<char> workspace(gemm.workspace_bytes(s));
  gemm.plan(s)(nullptr, a.data(), b.data(), s.bias ? bias.data() : nullptr, c.data(), workspace.data());
  for (int64_t row = 0; row < s.batch * s.m; row++) {
    const int64_t one = row / s.m, i = row % s.m;
    for (int64_t j = 0; j < s.n; j++) {
      double y = s.bias ? bias[static_cast<size_t>(j)] : 0.0;
      for (int64_t p = 0; p < s.k; p++) {
        const int64_t in_a = one * s.stride_a + (s.transpose_a ? p * s.m + i : i * s.k + p);
        const int64_t in_b = one * s.stride_b + (s.transpose_b ? j * row_b + p : p * row_b + j);
        y += static_cast<double>(operand(a[static_cast<size_t>(in_a)])) * operand(b[static_cast<size_t>(in_b)]);
      }
      if (s.accumulate) y += before[static_cast<size_t>(row * s.n + j)];
      if (s.relu && y < 0) y = 0;
      const float got = c[static_cast<size_t>(row * s.n + j)];
      if (std::abs(got - y) <= 1e-6 * (1 + std::abs(y))) continue;
      failures++;
      printf("[%d, %d, %d] transposed %d %d, bias %d, relu %d, accumulate %d, batch %d: c[%d, %d] is %g, must be %g\n",
             static_cast<int>(s.m), static_cast<int>(s.n), static_cast<int>(s.k), s.transpose_a, s.transpose_b, s.bias,
             s.relu, s.accumulate, static_cast<int>(s.batch), static_cast<int>(row), static_cast<int>(j),
             static_cast<double>(got), y);
      return;
    }
  }
}

void expect_error(Gemm& gemm, const GemmShape& s, const char* code, const char* message) {
  try {
    gemm.plan(s);
  } catch (const Error& error) {
    if (strcmp(error.code(), code) == 0 && strstr(error.what(), message) != nullptr) return;
    printf("expected %s '%s', got %s '%s'\n", code, message, error.code(), error.what());
    failures++;
    return;
  }
  printf("expected %s '%s', got no error\n", code, message);
  failures++;
}

// Makes a product with every call of the library failing once: the error names the call, and nothing stays behind.
// What fails while something is let go has nobody left to tell.
void fail_every_call(cublasStatus_t status, const char* code) {
  void* const library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_NOLOAD);
#define GRADSTEP_FIND(name) \
  const auto name = reinterpret_cast<decltype(&fake_cublaslt_##name)>(dlsym(library, "fake_cublaslt_" #name))
  GRADSTEP_FIND(fail);
  GRADSTEP_FIND(failed);
  GRADSTEP_FIND(alive);
#undef GRADSTEP_FIND
  GemmShape shape{3, 5, 7, false, true, false, true, true};
  shape.batch = 2;
  shape.stride_a = 21;
  for (uint64_t n = 1;; n++) {
    std::string told;
    fail(n, status);
    try {
      compare(*make_gemm(first_proposals()), shape);
    } catch (const Error& error) {
      told = std::string(error.code()) + " " + error.what();
    }
    const std::string call = failed();
    const bool lets_go = call.find("Destroy") != std::string::npos;
    const std::string expected = call.empty() || lets_go ? "" : std::string(code) + " " + call + " failed";
    if (told.compare(0, expected.size(), expected) != 0 || told.empty() != expected.empty() || alive() != 0) {
      failures++;
      printf("call %d, %s: '%s', %d objects left\n", static_cast<int>(n), call.c_str(), told.c_str(), alive());
    }
    fail(0, CUBLAS_STATUS_SUCCESS);
    if (!call.empty()) continue;
    if (n < 20) {
      failures++;
      printf("a product is %d calls only\n", static_cast<int>(n - 1));
    }
    return;
  }
}

int run() {
  auto gemm = make_gemm(first_proposals());
  const int64_t shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {8, 8, 8}, {1, 10, 4}, {6, 1, 9}, {2, 3, 1}};
  int products = 0;
  for (const auto& [m, n, k] : shapes) {
    for (int bits = 0; bits < 32; bits++) {
      const bool accumulate = (bits & 4) != 0, relu = (bits & 16) != 0;
      if (accumulate && relu) continue;
      compare(*gemm, {m, n, k, (bits & 1) != 0, (bits & 2) != 0, accumulate, (bits & 8) != 0, relu});
      products++;
    }
    for (int bits = 0; bits < 32; bits++) {
      GemmShape several{m, n, k, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false, false};
      several.batch = 3;
      several.stride_a = (bits & 8) != 0 ? 0 : m * k;
      several.stride_b = (bits & 16) != 0 ? 0 : k * n;
      compare(*gemm, several);
      products++;
    }
  }
  for (const auto& [m, n, k] : shapes) {
    for (int bits = 0; bits < 8; bits++) {
      GemmShape columns{m, n, k, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false, false};
      for (const Precision precision : {Precision::kFloat32, Precision::kTf32, Precision::kBfloat16}) {
        columns.precision = precision;
        columns.row_b = (columns.transpose_b ? k : n) + 2 + bits % 3;
        compare(*gemm, columns);
        columns.row_b = 0;
        compare(*gemm, columns);
        products += 2;
      }
    }
  }
  expect_error(*gemm, {2, 3, 13, false, false, false, false, false}, "ERR_DEVICE_UNAVAILABLE",
               "no algorithm for a product of [2, 13] and [13, 3]");
  expect_error(*gemm, {2, 3, 4, false, false, true, false, true}, "ERR_INTERNAL", "accumulated and rectified");
  gemm.reset();
  fail_every_call(CUBLAS_STATUS_ALLOC_FAILED, "ERR_OOM");
  fail_every_call(CUBLAS_STATUS_INTERNAL_ERROR, "ERR_DEVICE_FAILED");
  printf("%d products, %d failures\n", products, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace gradstep::cuda

int main() {
  try {
    return gradstep::cuda::run();
  } catch (const gradstep::Error& error) {
    printf("%s %s\n", error.code(), error.what());
    return 2;
  }
}
