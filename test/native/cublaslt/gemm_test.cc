// The GEMM seam on a stand-in for cuBLASLt: row-major products of every combination of transposes, bias, activation and
// accumulation, one and several at once, of columns of a wider matrix, of numbers that the precision rounds, against
// loops in float64; and with what epilogues leave and read besides. Then every call of the library fails once. Prints
// one line a failure; the exit status says whether there was one.
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

Choices& first_proposals() {
  static Choices choices(0, true);
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

double gelu(double z) { return 0.5 * z * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); }

// gelu's derivative, by its difference.
double gelu_slope(double z) { return (gelu(z + 1e-5) - gelu(z - 1e-5)) / 2e-5; }

bool near(double got, double expected) { return std::abs(got - expected) <= 1e-6 * (1 + std::abs(expected)); }

// As it is stored, in float32 or bfloat16.
class Matrix {
 public:
  Matrix(const std::vector<float>& numbers, DType type) : is_narrow_(type == DType::kBfloat16), wide_(numbers) {
    for (const float x : numbers) {
      const float short_x = rounded(x, Precision::kBfloat16);
      uint16_t half;
      memcpy(&half, reinterpret_cast<const char*>(&short_x) + 2, 2);
      narrow_.push_back(half);
    }
  }
  void* data() { return is_narrow_ ? static_cast<void*>(narrow_.data()) : wide_.data(); }
  float operator[](int64_t i) const {
    const auto at = static_cast<size_t>(i);
    if (!is_narrow_) return wide_[at];
    float x = 0;
    memcpy(reinterpret_cast<char*>(&x) + 2, &narrow_[at], 2);
    return x;
  }

 private:
  bool is_narrow_;
  std::vector<float> wide_;
  std::vector<uint16_t> narrow_;
};

void fail(const GemmShape& s, const char* what, int64_t row, int64_t column, double got, double expected) {
  failures++;
  printf("[%d, %d, %d] transposed %d %d, bias %d, epilogue %d, aux %d, sums %d, accumulate %d, batch %d: ",
         static_cast<int>(s.m), static_cast<int>(s.n), static_cast<int>(s.k), s.transpose_a, s.transpose_b, s.bias,
         static_cast<int>(s.epilogue), s.aux, s.sums, s.accumulate, static_cast<int>(s.batch));
  if (s.has_narrow_operands()) printf("stored in bfloat16%s: ", s.has_narrow_result() ? ", and c" : "");
  printf("%s[%d, %d] is %g, must be %g\n", what, static_cast<int>(row), static_cast<int>(column), got, expected);
}

// aux is guarded on both sides: nothing but its own words may change. Its bits stand as in memory that one reads byte
// by byte, in rows of 128.
void compare(Gemm& gemm, const GemmShape& s) {
  const int64_t others = s.batch - 1;
  const int64_t rows_b = s.transpose_b ? s.n : s.k, row_b = s.row_b != 0 ? s.row_b : s.transpose_b ? s.k : s.n;
  const auto operand = [&](float x) { return rounded(x, s.precision); };
  Matrix a(numbers(static_cast<size_t>(others * s.stride_a + s.m * s.k), 1), s.operands),
      b(numbers(static_cast<size_t>(others * s.stride_b + rows_b * row_b), 2), s.operands),
      c(numbers(static_cast<size_t>(s.batch * s.m * s.n), 4), s.result);
  Matrix bias(numbers(static_cast<size_t>(s.n), 3), s.result);
  const Matrix before = c;
  // Half of its last bit is what storing in bfloat16 may make of a result.
  const auto stored = [&](double got, double expected) {
    const double last = s.has_narrow_result() ? std::ldexp(std::abs(expected), -8) : 0;
    return std::abs(got - expected) <= last + 1e-6 * (1 + std::abs(expected));
  };
  const bool of_relu = s.epilogue == Epilogue::kRelu || s.epilogue == Epilogue::kReluSlope;
  const int64_t aux_bytes = of_relu ? (s.n + 127) / 128 * 16 : s.n * 4;
  constexpr size_t kGuard = 16;
  const std::vector<float> in_aux = numbers(static_cast<size_t>(s.m * aux_bytes / 4) + 2 * kGuard, 5);
  std::vector<float> aux = in_aux, sums(static_cast<size_t>(s.n));
  std::vector<char> workspace(gemm.workspace_bytes(s));
  float* const from_aux = aux.data() + kGuard;
  gemm.plan(s)(nullptr, a.data(), b.data(), s.bias ? bias.data() : nullptr, c.data(), workspace.data(),
               s.has_aux() ? from_aux : nullptr, s.sums ? sums.data() : nullptr);
  const auto aux_at = [&](int64_t i) { return reinterpret_cast<const uint8_t*>(from_aux) + i * aux_bytes; };
  const auto bit = [&](int64_t i, int64_t j) { return (aux_at(i)[j / 8] >> (j % 8) & 1) != 0; };
  const auto before_gelu = [&](int64_t i, int64_t j) {
    float z;
    memcpy(&z, aux_at(i) + 4 * j, sizeof z);
    return static_cast<double>(z);
  };
  std::vector<double> totals(static_cast<size_t>(s.n));
  for (int64_t row = 0; row < s.batch * s.m; row++) {
    const int64_t one = row / s.m, i = row % s.m;
    for (int64_t j = 0; j < s.n; j++) {
      double y = s.bias ? bias[j] : 0.0f;
      for (int64_t p = 0; p < s.k; p++) {
        const int64_t in_a = one * s.stride_a + (s.transpose_a ? p * s.m + i : i * s.k + p);
        const int64_t in_b = one * s.stride_b + (s.transpose_b ? j * row_b + p : p * row_b + j);
        y += static_cast<double>(operand(a[in_a])) * operand(b[in_b]);
      }
      if (s.accumulate) y += before[row * s.n + j];
      if (s.aux && of_relu && bit(i, j) != (y > 0)) return fail(s, "bit", row, j, bit(i, j), y > 0);
      if (s.aux && !of_relu && !near(before_gelu(i, j), y)) return fail(s, "aux", row, j, before_gelu(i, j), y);
      if (s.epilogue == Epilogue::kRelu) y = std::max(y, 0.0);
      if (s.epilogue == Epilogue::kGelu) y = gelu(y);
      if (s.epilogue == Epilogue::kReluSlope) y = bit(i, j) ? y : 0;
      if (s.epilogue == Epilogue::kGeluSlope) y *= gelu_slope(before_gelu(i, j));
      if (s.epilogue != Epilogue::kNone) totals[static_cast<size_t>(j)] += y;
      const float got = c[row * s.n + j];
      if (!stored(got, y)) return fail(s, "c", row, j, got, y);
    }
  }
  // Behind no epilogue they are op(b)'s, of what was not rounded.
  for (int64_t j = 0; j < (s.epilogue == Epilogue::kNone ? s.n : 0); j++) {
    for (int64_t p = 0; p < s.k; p++) {
      totals[static_cast<size_t>(j)] += b[s.transpose_b ? j * row_b + p : p * row_b + j];
    }
  }
  for (int64_t j = 0; j < (s.sums ? s.n : 0); j++) {
    const auto at = static_cast<size_t>(j);
    if (!near(sums[at], totals[at])) return fail(s, "sums", 0, j, sums[at], totals[at]);
  }
  if (!s.aux) {
    if (aux != in_aux) fail(s, "aux", 0, 0, 1, 0);
    return;
  }
  for (size_t i = 0; i < kGuard; i++) {
    if (aux[i] != in_aux[i] || aux[aux.size() - 1 - i] != in_aux[aux.size() - 1 - i]) fail(s, "guard", 0, 0, 1, 0);
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
  GemmShape several{3, 5, 7, false, true, false, true, Epilogue::kRelu};
  several.batch = 2;
  several.stride_a = 21;
  GemmShape back{3, 16, 7, false, true, false, false, Epilogue::kGeluSlope};
  back.sums = true;
  for (uint64_t n = 1;; n++) {
    std::string told;
    fail(n, status);
    try {
      const auto gemm = make_gemm(first_proposals());
      compare(*gemm, several);
      compare(*gemm, back);
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
    if (n < 40) {
      failures++;
      printf("two products are %d calls only\n", static_cast<int>(n - 1));
    }
    return;
  }
}

int run() {
  auto gemm = make_gemm(first_proposals());
  const int64_t shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {8, 8, 8}, {1, 10, 4}, {6, 1, 9}, {2, 3, 1}, {5, 130, 2}};
  int products = 0;
  for (const auto& [m, n, k] : shapes) {
    for (int bits = 0; bits < 32; bits++) {
      const bool accumulate = (bits & 4) != 0, relu = (bits & 16) != 0;
      if (accumulate && relu) continue;
      compare(*gemm, {m, n, k, (bits & 1) != 0, (bits & 2) != 0, accumulate, (bits & 8) != 0,
                      relu ? Epilogue::kRelu : Epilogue::kNone});
      products++;
    }
    for (int bits = 0; bits < 12; bits++) {
      GemmShape of_weights{m, n, k, (bits & 1) != 0, (bits & 2) != 0, false, false};
      of_weights.sums = true;
      if (bits >= 4) of_weights.row_b = (of_weights.transpose_b ? k : n) + 3;
      if (bits >= 8) of_weights.precision = Precision::kBfloat16;
      compare(*gemm, of_weights);
      products++;
    }
    for (int bits = 0; bits < 64; bits++) {
      const bool gelu = (bits & 1) != 0;
      GemmShape layer{m, gelu ? 8 * n : n, k, (bits & 2) != 0, (bits & 4) != 0, false, false};
      const bool back = (bits & 8) != 0, flag = (bits & 16) != 0;
      layer.epilogue = back   ? gelu ? Epilogue::kGeluSlope : Epilogue::kReluSlope
                       : gelu ? Epilogue::kGelu
                              : Epilogue::kRelu;
      layer.bias = !back && flag;
      layer.sums = back && flag;
      layer.aux = !back && (bits & 32) != 0;
      compare(*gemm, layer);
      products++;
    }
    for (int bits = 0; bits < 32; bits++) {
      GemmShape several{m, n, k, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false};
      several.batch = 3;
      several.stride_a = (bits & 8) != 0 ? 0 : m * k;
      several.stride_b = (bits & 16) != 0 ? 0 : k * n;
      compare(*gemm, several);
      products++;
    }
  }
  for (const auto& [m, n, k] : shapes) {
    for (int bits = 0; bits < 8; bits++) {
      GemmShape columns{m, n, k, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false};
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
  for (const auto& [m, n, k] : shapes) {
    for (int bits = 0; bits < 64; bits++) {
      GemmShape s{m, n, k, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false};
      if ((bits & 8) != 0) s.row_b = (s.transpose_b ? k : n) + 3;
      if ((bits & 16) != 0) {
        s.batch = 2;
        s.stride_a = m * k;
      }
      s.precision = Precision::kBfloat16;
      s.operands = DType::kBfloat16;
      if ((bits & 32) != 0) s.result = DType::kBfloat16;
      compare(*gemm, s);
      products++;
    }
    for (const Epilogue epilogue :
         {Epilogue::kNone, Epilogue::kRelu, Epilogue::kGelu, Epilogue::kReluSlope, Epilogue::kGeluSlope}) {
      for (int bits = 0; bits < 32; bits++) {
        GemmShape s{m, 8 * n, k, (bits & 1) != 0, (bits & 2) != 0, false, false, epilogue};
        const bool forward = epilogue == Epilogue::kRelu || epilogue == Epilogue::kGelu, with = (bits & 4) != 0;
        s.bias = forward && with;
        s.aux = s.bias && (bits & 16) != 0;
        s.sums = !forward && with;
        s.precision = Precision::kBfloat16;
        s.operands = DType::kBfloat16;
        if ((bits & 8) != 0) s.result = DType::kBfloat16;
        // The library has these beside float32 only.
        const bool is_beside = s.sums || epilogue == Epilogue::kGeluSlope || (s.aux && epilogue == Epilogue::kGelu);
        const bool is_there = !s.has_narrow_result() || !is_beside;
        if (gemm->supports(s) != is_there) fail(s, "supported", 0, 0, !is_there, is_there);
        if (!is_there) continue;
        compare(*gemm, s);
        products++;
      }
    }
  }
  // More than the library multiplies at once.
  for (int bits = 0; bits < 8; bits++) {
    GemmShape many{2, 1, 2, false, (bits & 1) != 0, (bits & 2) != 0, false};
    many.batch = 2 * 65535 + 3;
    many.stride_a = 4;
    many.stride_b = (bits & 4) != 0 ? 0 : 2;
    compare(*gemm, many);
    many.precision = Precision::kBfloat16;
    many.operands = many.result = DType::kBfloat16;
    compare(*gemm, many);
    products += 2;
  }
  const GemmShape unknown{2, 3, 13, false, false, false, false};
  expect_error(*gemm, unknown, "ERR_DEVICE_UNAVAILABLE", "no algorithm for a product of [2, 13] and [13, 3]");
  const auto expect_refused = [&](const char* message, const auto& change) {
    GemmShape s{2, 8, 4, false, false, false, false};
    change(s);
    expect_error(*gemm, s, "ERR_INTERNAL", message);
  };
  expect_refused("accumulated and go through an epilogue", [](GemmShape& s) {
    s.accumulate = true;
    s.epilogue = Epilogue::kRelu;
  });
  expect_refused("accumulated and go through an epilogue", [](GemmShape& s) {
    s.accumulate = true;
    s.epilogue = Epilogue::kGeluSlope;
  });
  expect_refused("no activation follows", [](GemmShape& s) { s.aux = true; });
  expect_refused("no activation follows", [](GemmShape& s) {
    s.aux = true;
    s.epilogue = Epilogue::kReluSlope;
  });
  expect_refused("accumulated and go through an epilogue", [](GemmShape& s) { s.accumulate = s.sums = true; });
  expect_refused("a bias on the way back", [](GemmShape& s) {
    s.bias = true;
    s.epilogue = Epilogue::kReluSlope;
  });
  expect_refused("a bias on the way back", [](GemmShape& s) { s.bias = s.sums = true; });
  expect_refused("sums on the way forward", [](GemmShape& s) {
    s.sums = true;
    s.epilogue = Epilogue::kGelu;
  });
  expect_refused("multiply bfloat16 in another precision", [](GemmShape& s) { s.operands = DType::kBfloat16; });
  expect_refused("make bfloat16 of float32", [](GemmShape& s) { s.result = DType::kBfloat16; });
  for (const bool sums : {false, true}) {
    expect_refused("one of several", [&](GemmShape& s) {
      s.batch = 2;
      if (sums)
        s.sums = true;
      else
        s.epilogue = Epilogue::kGeluSlope;
    });
  }
  // Rows of sums before gelu that the library cannot have.
  GemmShape odd{2, 9, 4, false, false, false, false, Epilogue::kGelu};
  odd.aux = true;
  for (const GemmShape& s : {odd, unknown}) {
    if (!gemm->supports(s)) continue;
    failures++;
    printf("a product of %d columns and %d terms is supported\n", static_cast<int>(s.n), static_cast<int>(s.k));
  }
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
