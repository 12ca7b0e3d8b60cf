// How the product of a convolution may be cut into blocks: which of a family's tiles, and how many slices of the sum.
// All that a device may be asked to try, with names for them; first the one that a model expects to be the fastest,
// which is taken where nothing is measured.
//
// The model counts the cycles that a tile says a slice of its depth takes a multiprocessor (cuda/tile.cuh), and as much
// as four of them for what stands before and behind. Two blocks share a multiprocessor; one alone leaves a good part of
// its time to waiting. Partial results are written and read, 24 bytes a cycle and multiprocessor, in a launch of their
// own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ops/conv_tiles.cuh"

namespace gradstep::cuda {

struct NamedCut {
  std::string name;
  Cut cut;
  double cycles;  // what the model expects
};

struct TileSize {
  int number;  // in its family
  int64_t m, n, depth, cycles;
};

// The tiles of a family that take channels of some width.
template <typename Tiles, size_t kFirst = 0>
std::vector<TileSize> tiles_for(int width, bool deep) {
  if constexpr (kFirst == std::tuple_size_v<typename Tiles::Offers>) {
    return {};
  } else {
    using Offer = std::tuple_element_t<kFirst, typename Tiles::Offers>;
    using T = typename Offer::Tile;
    std::vector<TileSize> sizes = tiles_for<Tiles, kFirst + 1>(width, deep);
    if ((width == T::kWide || Offer::kNarrow) && (!deep || Offer::kDeep)) {
      sizes.insert(sizes.begin(), {static_cast<int>(kFirst), T::kM, T::kN, T::kDepth, T::kCycles});
    }
    return sizes;
  }
}

class Cuts {
 public:
  // `elements`: of the result, which every slice has one of.
  Cuts(std::vector<TileSize> sizes, const ConvProduct& product, int64_t elements, int multiprocessors)
      : tiles_(std::move(sizes)), p_(product), elements_(elements), multiprocessors_(multiprocessors) {
    // No chance has a tile more than half of which lies outside of the result, where another fits, nor one that reads
    // all rows four times where another reads them once.
    const auto area = [&](const TileSize& t) { return tiles(t) * t.m * t.n; };
    int64_t least_area = INT64_MAX, least_columns = INT64_MAX;
    for (const TileSize& t : tiles_) {
      least_area = std::min(least_area, area(t));
      least_columns = std::min(least_columns, columns(t));
    }
    const auto is_hopeless = [&](const TileSize& t) {
      return area(t) > 2 * least_area || columns(t) > 2 * least_columns;
    };
    const auto kept = std::remove_if(tiles_.begin(), tiles_.end(), is_hopeless);
    // Where each has one of the faults, what fits is kept.
    if (kept != tiles_.begin()) tiles_.erase(kept, tiles_.end());
  }

  // Where results are many: slices only where there are too few tiles to fill the device, and never first.
  std::vector<NamedCut> of_long_result() {
    for (const TileSize& t : tiles_) add(t, 1);
    sort();
    for (const TileSize& t : tiles_) {
      for (const int64_t slices : {2, 4}) {
        if (blocks(t) * slices <= kShared * multiprocessors_ && slices <= most_slices(kShortestSteps * t.depth)) {
          add(t, slices);
        }
      }
    }
    return cuts_;
  }

  // Where the sum is long: as many slices as fill the device once, or twice.
  std::vector<NamedCut> of_long_sum() {
    for (const TileSize& t : tiles_) {
      for (const int64_t shared : {int64_t{1}, kShared}) {
        const int64_t wanted = (shared * multiprocessors_ + blocks(t) - 1) / blocks(t);
        add(t, std::max<int64_t>(1, std::min(wanted, most_slices(kShortest))));
      }
    }
    sort();
    return cuts_;
  }

 private:
  static constexpr int64_t kShared = 2;            // blocks on a multiprocessor
  static constexpr int64_t kShortest = 128;        // terms of a slice of a long sum
  static constexpr int64_t kShortestSteps = 4;     // of a slice, where it has to pay for reading all results once more
  static constexpr int64_t kMostBytes = 64 << 20;  // of partial results

  int64_t columns(const TileSize& t) const { return (p_.n + t.n - 1) / t.n; }
  int64_t tiles(const TileSize& t) const { return (p_.m + t.m - 1) / t.m * columns(t); }
  int64_t blocks(const TileSize& t) const { return tiles(t) * p_.groups; }
  int64_t most_slices(int64_t shortest) const {
    return std::min(p_.k / shortest, kMostBytes / (elements_ * static_cast<int64_t>(sizeof(float))));
  }

  void add(const TileSize& t, int64_t slices) {
    // Slices are whole steps long, which may leave nothing to the last ones.
    const int64_t steps = std::max<int64_t>(1, (p_.k + t.depth - 1) / t.depth), length = (steps + slices - 1) / slices;
    slices = (steps + length - 1) / length;
    std::string name = "tile " + std::to_string(t.m) + "x" + std::to_string(t.n);
    if (slices > 1) name += " in " + std::to_string(slices) + " slices";
    for (const NamedCut& other : cuts_) {
      if (other.name == name) return;
    }
    cuts_.push_back({name, {t.number, slices}, cycles(t, length, slices)});
  }

  double cycles(const TileSize& t, int64_t steps, int64_t slices) const {
    constexpr double kLaunch = 2500, kBytesPerCycle = 24;
    const int64_t count = blocks(t) * slices, round = kShared * multiprocessors_;
    const double rounds = count <= multiprocessors_ ? 0.8 : static_cast<double>((count + round - 1) / round);
    const double bytes = static_cast<double>(slices * elements_ * 2 * static_cast<int64_t>(sizeof(float)));
    const double partial = slices > 1 ? kLaunch + bytes / (kBytesPerCycle * static_cast<double>(multiprocessors_)) : 0;
    return rounds * static_cast<double>(kShared * t.cycles * (steps + 4)) + partial;
  }

  void sort() {
    std::stable_sort(cuts_.begin(), cuts_.end(),
                     [](const NamedCut& a, const NamedCut& b) { return a.cycles < b.cycles; });
  }

  std::vector<TileSize> tiles_;
  ConvProduct p_;
  int64_t elements_;
  int64_t multiprocessors_;
  std::vector<NamedCut> cuts_;
};

}  // namespace gradstep::cuda
