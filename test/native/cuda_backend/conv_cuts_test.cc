// Which ways of cutting a convolution's product into blocks are tried on CUDA (native/ops/conv_cuts.cuh), and which
// comes first. Numbers of tiles and slices are those of the shapes, by hand.
#include "ops/conv_cuts.cuh"

#include <algorithm>
#include <string>
#include <vector>

#include "harness.h"

namespace gradstep::test {
namespace {

using namespace cuda;
using Names = std::vector<std::string>;

struct Size {
  uint32_t m, n, k;
};

Cuts cuts(const std::vector<TileSize>& tiles, Size size, int multiprocessors) {
  ConvProduct product{};
  product.m = size.m;
  product.n = size.n;
  product.k = size.k;
  product.groups = 1;
  return Cuts(tiles, product, int64_t{size.m} * size.n, multiprocessors);
}

Names names(const std::vector<NamedCut>& list) {
  Names found;
  for (const NamedCut& named : list) found.push_back(named.name);
  return found;
}

Names of_result(Size size, int multiprocessors = 132, int width = 4, bool deep = false) {
  return names(cuts(tiles_for<TensorTiles<RoundedBfloat16>>(width, deep), size, multiprocessors).of_long_result());
}

Names of_sum(Size size, int multiprocessors = 132) {
  return names(cuts(tiles_for<TensorTiles<RoundedBfloat16>>(4, false), size, multiprocessors).of_long_sum());
}

bool has(const Names& list, const std::string& name) { return std::find(list.begin(), list.end(), name) != list.end(); }

bool has_slices(const Names& list) {
  return std::any_of(list.begin(), list.end(), [](const std::string& n) { return n.find("slices") != n.npos; });
}

}  // namespace

TEST(conv_cuts_a_result_that_fills_the_device_is_not_sliced) {
  const Names list = of_result({73728, 64, 288});
  EXPECT_EQUAL(list[0], "tile 128x64");
  EXPECT_EQUAL(list.size(), size_t{4});
  EXPECT(!has_slices(list));
}

TEST(conv_cuts_a_result_of_few_tiles_may_be_sliced_but_not_at_first) {
  // 64 tiles of 128 x 64, 128 of 64 x 64: with two blocks on each of 132 multiprocessors, four times and twice as many.
  const Names list = of_result({8192, 64, 576});
  EXPECT(has(list, "tile 128x64 in 2 slices"));
  EXPECT(has(list, "tile 128x64 in 4 slices"));
  EXPECT(has(list, "tile 64x64 in 2 slices"));
  EXPECT(!has(list, "tile 64x64 in 4 slices"));
  EXPECT(!has_slices({list[0]}));
  // A slice has four steps of 32 terms.
  EXPECT(!has_slices(of_result({8192, 64, 255})));
  EXPECT(has(of_result({8192, 64, 256}), "tile 128x64 in 2 slices"));
  EXPECT(!has(of_result({8192, 64, 256}), "tile 128x64 in 4 slices"));
}

TEST(conv_cuts_tiles_that_do_not_fit_are_not_tried) {
  EXPECT(!has(of_result({100000, 16, 144}), "tile 128x64"));
  EXPECT_EQUAL(of_result({100000, 16, 144})[0], "tile 256x16");
  EXPECT(!has(of_result({100000, 64, 144}), "tile 256x16"));
  // One channel at a time, and over three axes.
  EXPECT_EQUAL(of_result({100000, 64, 27}, 132, 1).size(), size_t{1});
  EXPECT_EQUAL(of_result({100000, 64, 27}, 132, 1)[0], "tile 64x32");
  EXPECT(has(of_result({100000, 64, 144}), "tile 64x64"));
  EXPECT(!has(of_result({100000, 64, 144}, 132, 4, true), "tile 64x64"));
}

TEST(conv_cuts_a_long_sum_fills_the_device_once_or_twice) {
  // 5 tiles of 128 x 64 and 256 steps: 27 or 53 slices of 10 or 5 steps, of which the last ones would be empty.
  const Names list = of_sum({576, 64, 8192});
  EXPECT(has(list, "tile 128x64 in 26 slices"));
  EXPECT(has(list, "tile 128x64 in 52 slices"));
  EXPECT(has(list, "tile 64x64 in 15 slices"));
  EXPECT(has(list, "tile 64x64 in 29 slices"));
  // A slice has 128 terms at least, and partial results take 64 MiB at most: here two of 32 MiB each.
  EXPECT(has(of_sum({576, 64, 255}), "tile 128x64"));
  EXPECT(!has_slices(of_sum({576, 64, 255})));
  EXPECT(has(of_sum({4096, 2048, 1 << 20}, 1 << 20), "tile 128x64 in 2 slices"));
}

TEST(conv_cuts_channels_are_read_as_many_at_a_time_as_both_operands_let) {
  const auto widths = [](const Widths& w) { return std::to_string(w.a) + " " + std::to_string(w.b); };
  using Rounded = TensorTiles<RoundedBfloat16>;
  using Stored = TensorTiles<StoredBfloat16>;
  EXPECT_EQUAL(widths(widths_of<Rounded>(16, 20)), "4 4");
  EXPECT_EQUAL(widths(widths_of<Rounded>(3, 20)), "1 4");
  EXPECT_EQUAL(widths(widths_of<Rounded>(16, 35)), "1 1");
  EXPECT_EQUAL(widths(widths_of<Stored>(16, 32)), "8 8");
  EXPECT_EQUAL(widths(widths_of<Stored>(16, 20)), "4 4");
  EXPECT_EQUAL(widths(widths_of<Stored>(3, 32)), "1 8");
  EXPECT_EQUAL(widths(widths_of<Stored>(3, 20)), "1 1");
  // Channels of bfloat16 that do not divide by eight have one tile.
  const auto count = [](int width, bool deep) { return tiles_for<Stored>(width, deep).size(); };
  EXPECT_EQUAL(count(8, false), size_t{5});
  EXPECT_EQUAL(count(4, true), size_t{1});
  EXPECT_EQUAL(count(1, false), size_t{1});
}

// What test/conv_ways.spec.ts asks for on the emulated device is there to be taken.
TEST(conv_cuts_of_the_cases_that_take_every_way) {
  constexpr int kEmulated = 4;
  const Size forward{195, 36, 288}, backward{195, 32, 324};
  for (const char* tile : {"tile 128x64", "tile 64x64", "tile 128x32", "tile 64x32"}) {
    EXPECT(has(of_result(forward, kEmulated), tile));
    EXPECT(has(of_result(backward, kEmulated), tile));
    EXPECT(has(of_sum({288, 36, 195}, kEmulated), tile));
  }
  EXPECT(has(of_result(backward, kEmulated), "tile 256x16"));
  EXPECT(has(of_result(forward, kEmulated), "tile 128x64 in 2 slices"));
  EXPECT(has(of_result(backward, kEmulated), "tile 128x64 in 2 slices"));
  EXPECT(has(of_result({81, 33, 288}, kEmulated, 1), "tile 64x32 in 2 slices"));
  EXPECT(has(of_result({272, 16, 144}, kEmulated), "tile 256x16"));
  EXPECT(has(of_sum({144, 16, 272}, kEmulated), "tile 256x16 in 2 slices"));

  const auto stored = tiles_for<TensorTiles<StoredBfloat16>>(8, false);
  const auto result = [&](Size size) { return names(cuts(stored, size, kEmulated).of_long_result()); };
  const auto sum = [&](Size size) { return names(cuts(stored, size, kEmulated).of_long_sum()); };
  for (const char* tile : {"tile 128x64", "tile 64x64", "tile 128x32", "tile 64x32"}) {
    EXPECT(has(result({195, 40, 288}), tile));
    EXPECT(has(result({195, 32, 360}), tile));
    EXPECT(has(sum({288, 40, 195}), tile));
  }
  EXPECT(has(result({195, 40, 288}), "tile 128x64 in 2 slices"));
  EXPECT(has(result({195, 32, 360}), "tile 128x64 in 2 slices"));
  EXPECT(has(result({272, 16, 144}), "tile 256x16"));
  EXPECT(has(sum({144, 16, 272}), "tile 256x16 in 2 slices"));
}

}  // namespace gradstep::test
