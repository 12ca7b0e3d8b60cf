// Products of operands where they lie (cpu/unpacked_product.h) against sums in float64: odd sizes, either transposition
// of both, several blocks, with bias and relu, added to what is there. Without AVX-512 there is nothing to test.
#include "cpu/unpacked_product.h"

#include <cmath>
#include <vector>

#include "cpu/lanes.h"
#include "harness.h"
#include "numbers.h"

using namespace gradstep;
using test::numbers;

namespace {

void expect_product(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b, bool ends, int threads) {
  const std::vector<float> a = numbers(m * k, 1), b = numbers(k * n, 2), bias = numbers(n, 3);
  std::vector<float> y = numbers(m * n, 4);
  const std::vector<float> before = y;
  const cpu::UnpackedProduct p{
      m, n, k, transpose_a, transpose_b, !ends, ends, a.data(), b.data(), ends ? bias.data() : nullptr, y.data()};
  std::vector<float> workspace(cpu::unpacked_product_bytes(p) / sizeof(float));
  cpu::multiply_unpacked(p, workspace.data(), threads);
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) {
      double sum = ends ? bias[j] : before[i * n + j];
      for (int64_t d = 0; d < k; d++) {
        sum += double{a[transpose_a ? d * m + i : i * k + d]} * b[transpose_b ? j * k + d : d * n + j];
      }
      const double expected = ends ? std::max(0., sum) : sum;
      EXPECT(std::abs(y[i * n + j] - expected) < 1e-6 * (10 + static_cast<double>(k)));
    }
  }
}

}  // namespace

TEST(products_of_operands_where_they_lie) {
  if (cpu::register_lanes() != cpu::kLanes) return;
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const bool ends : {false, true}) {
        for (const int threads : {1, 2, 3}) {
          expect_product(1, 1, 1, transpose_a, transpose_b, ends, threads);
          expect_product(7, 33, 19, transpose_a, transpose_b, ends, threads);
          expect_product(32, 64, 48, transpose_a, transpose_b, ends, threads);
          expect_product(75, 47, 8, transpose_a, transpose_b, ends, threads);
          expect_product(130, 96, 31, transpose_a, transpose_b, ends, threads);
        }
        expect_product(9, 40, 2061, transpose_a, transpose_b, ends, 2);
      }
    }
  }
}
