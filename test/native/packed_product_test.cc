// Products with packed operands (cpu/packed_product.h) against sums in float64: odd sizes, several blocks, either
// transposition of a, operands in float32, rounded, and stored in bfloat16, with bias and relu, added to what is there.
#include "cpu/packed_product.h"

#include <cmath>
#include <vector>

#include "cpu/bfloat16.h"
#include "harness.h"
#include "numbers.h"

using namespace gradstep;
using cpu::PackedProduct;
using test::numbers;

namespace {

enum class Operands { kFloat, kRounded, kStored };

struct Sizes {
  int64_t m, n, k;
};

std::vector<uint16_t> halves(const std::vector<float>& x) {
  std::vector<uint16_t> y;
  for (float v : x) y.push_back(cpu::bfloat16_bits(v));
  return y;
}

void expect_product(const Sizes& s, bool transpose_a, Operands operands, bool ends, int threads) {
  std::vector<float> a = numbers(s.m * s.k, 1), b = numbers(s.k * s.n, 2), bias = numbers(s.n, 3);
  std::vector<float> y = numbers(s.m * s.n, 4);
  const std::vector<float> before = y;
  std::vector<uint16_t> narrow_a = halves(a), narrow_b = halves(b);
  const bool stored = operands == Operands::kStored;
  const PackedProduct p{s.m,
                        s.n,
                        s.k,
                        transpose_a,
                        !ends,
                        ends,
                        operands == Operands::kRounded,
                        stored ? cpu::Stored{narrow_a.data(), DType::kBfloat16} : cpu::Stored{a.data()},
                        stored ? cpu::Stored{narrow_b.data(), DType::kBfloat16} : cpu::Stored{b.data()},
                        ends ? bias.data() : nullptr,
                        ends ? s.k : std::max<int64_t>(1, s.k / 3),
                        std::nullopt};
  std::vector<char> workspace(cpu::packed_product_bytes(p, threads));
  cpu::multiply_packed(p, y.data(), workspace.data(), threads);
  if (operands != Operands::kFloat) {
    for (float& v : a) v = cpu::round_to_bfloat16(v);
    for (float& v : b) v = cpu::round_to_bfloat16(v);
  }
  for (int64_t i = 0; i < s.m; i++) {
    for (int64_t j = 0; j < s.n; j++) {
      double sum = ends ? bias[j] : before[i * s.n + j];
      for (int64_t k = 0; k < s.k; k++) {
        sum += static_cast<double>(a[transpose_a ? k * s.m + i : i * s.k + k]) * b[k * s.n + j];
      }
      const double expected = ends ? std::max(0., sum) : sum;
      const bool close = std::abs(y[i * s.n + j] - expected) < 1e-6 * (10 + s.k);
      EXPECT_EQUAL(close, true);
    }
  }
}

void expect_products(const Sizes& s, int threads) {
  for (const bool transpose_a : {false, true}) {
    for (const Operands operands : {Operands::kFloat, Operands::kRounded, Operands::kStored}) {
      for (const bool ends : {false, true}) expect_product(s, transpose_a, operands, ends, threads);
    }
  }
}

}  // namespace

TEST(packed_products_smaller_than_a_tile) {
  expect_products({1, 1, 1}, 1);
  expect_products({5, 9, 7}, 1);
}

TEST(packed_products_of_several_tiles) {
  expect_products({13, 35, 41}, 1);
  expect_products({12, 32, 16}, 2);
}

TEST(packed_products_of_several_blocks) {
  expect_products({101, 23, 259}, 2);
  expect_products({7, 530, 19}, 1);
}
