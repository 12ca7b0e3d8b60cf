// Products of tiles of bfloat16 (cpu/tiles.h, cpu/tile_product.h) against sums in float64 of the rounded numbers: any
// number of rows of a step's product, and rows that lie whole pages apart. Where the processor has neither tile units
// nor vectors of bfloat16 there is nothing to test.
#include "cpu/tiles.h"

#include <cmath>
#include <vector>

#include "cpu/bfloat16.h"
#include "cpu/tile_product.h"
#include "harness.h"
#include "numbers.h"

using namespace gradstep;

namespace {

std::vector<float> rounded_numbers(int64_t count, uint32_t seed) {
  std::vector<float> x = test::numbers(count, seed);
  for (float& v : x) v = cpu::round_to_bfloat16(v);
  return x;
}

// In memory whose lines are whole, as tiles must lie.
template <typename T>
class Lines {
 public:
  explicit Lines(int64_t count) : memory_(count + 64 / sizeof(T)) {}
  T* data() { return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) / 64 * 64); }

 private:
  std::vector<T> memory_;
};

void expect_step_product(int64_t rows, int64_t depth, int vectors) {
  const int64_t padded = (rows + cpu::kTileRows - 1) / cpu::kTileRows * cpu::kTileRows;
  Lines<uint16_t> panel(depth * vectors * 16), operand(padded * depth);
  Lines<float> z(vectors * padded * 16);
  const std::vector<float> a = rounded_numbers(rows * depth, 1), b = rounded_numbers(depth * vectors * 16, 2);
  for (int64_t i = 0; i < rows * depth; i++) operand.data()[i] = cpu::bfloat16_bits(a[i]);
  for (int v = 0; v < vectors; v++) cpu::pack_tiles(panel.data(), b.data() + v * depth * 16, depth, vectors, v);
  cpu::multiply_tiles(panel.data(), operand.data(), rows, depth, vectors, z.data(), padded * 16);
  for (int v = 0; v < vectors; v++) {
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < 16; c++) {
        double sum = 0;
        for (int64_t k = 0; k < depth; k++) sum += double{a[r * depth + k]} * b[(v * depth + k) * 16 + c];
        EXPECT(std::abs(z.data()[(v * padded + r) * 16 + c] - sum) < 1e-5 * std::sqrt(double(depth)));
      }
    }
  }
}

void expect_matrix_product(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b, bool stored,
                           int threads) {
  std::vector<float> a = rounded_numbers(m * k, 3), b = rounded_numbers(k * n, 4);
  std::vector<uint16_t> narrow;
  for (const float v : a) narrow.push_back(cpu::bfloat16_bits(v));
  std::vector<float> y(m * n, NAN);
  const cpu::TileProduct p{m,
                           n,
                           k,
                           transpose_a,
                           transpose_b,
                           false,
                           false,
                           stored ? cpu::Stored{narrow.data(), DType::kBfloat16} : cpu::Stored{a.data()},
                           cpu::Stored{b.data()},
                           {},
                           cpu::Stored{y.data()},
                           nullptr,
                           nullptr};
  Lines<char> workspace(static_cast<int64_t>(cpu::tile_product_bytes(p, threads)));
  cpu::multiply_in_tiles(p, workspace.data(), threads);
  for (int64_t r = 0; r < m; r++) {
    for (int64_t c = 0; c < n; c++) {
      double sum = 0;
      for (int64_t i = 0; i < k; i++) {
        sum += double{a[transpose_a ? i * m + r : r * k + i]} * b[transpose_b ? c * k + i : i * n + c];
      }
      EXPECT(std::abs(y[r * n + c] - sum) < 1e-5 * std::sqrt(double(k)));
    }
  }
}

}  // namespace

TEST(step_products_of_any_number_of_rows) {
  if (!cpu::has_tiles()) return;
  for (int64_t rows = 1; rows <= 33; rows++) {
    for (const int vectors : {2, 3, 4}) expect_step_product(rows, rows % 3 == 0 ? 320 : 32 * (rows % 3), vectors);
  }
}

TEST(matrix_products_of_tiles) {
  if (!cpu::has_tiles()) return;
  for (const int threads : {1, 2}) {
    for (const bool stored : {false, true}) {
      expect_matrix_product(48, 40, 2048, false, false, stored, threads);
      expect_matrix_product(64, 96, 4096, false, true, stored, threads);
      expect_matrix_product(160, 33, 96, false, false, stored, threads);
      expect_matrix_product(33, 200, 70, true, false, stored, threads);
      expect_matrix_product(1, 17, 5, true, true, stored, threads);
      expect_matrix_product(300, 300, 100, false, false, stored, threads);
    }
  }
}
