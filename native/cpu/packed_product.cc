// See packed_product.h. A strip of the left operand is [depth][6 rows], one of the right [depth][16 columns]: a tile of
// 6 x 16 sums stays in registers over a block of the depth, its 16 columns in the first-level cache for all rows of a
// block, and those rows in the second. oneDNN reads operands across their rows where they lie, and rows that are a
// multiple of 2 KiB apart fall into a few sets of the caches: there it takes 1.2 to 2 times as long.
#include "cpu/packed_product.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/micro_product.h"
#include "cpu/packed_strips.h"
#include "cpu/packed_windows.h"
#include "cpu/parallel.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRowsAtOnce = 96;      // of a block of the left operand
constexpr int64_t kColumnsAtOnce = 512;  // of a block of the right operand
constexpr int64_t kLeft = kRowsAtOnce / kTileRows * kStrip;
constexpr int64_t kRight = kColumnsAtOnce * kBlockDepth;
constexpr int64_t kLeast = 32;      // extent from which packing pays
constexpr int64_t kAliasing = 512;  // rows a multiple of so many floats apart share sets of the caches
constexpr int64_t kPart = (kLeft + kRight + 15) / 16 * 16;  // floats of a thread

template <typename T, bool kRound, int64_t kWidth>
GRADSTEP_VECTORISED void pack_rows(float* to, int64_t strip, const T* from, int64_t stride, int64_t count,
                                   int64_t depth) {
  pack_along<T, kRound, kWidth>(to, strip, from, stride, count, depth);
}

template <typename T, bool kRound>
GRADSTEP_VECTORISED void pack_columns(float* to, const T* from, int64_t stride, int64_t count, int64_t depth) {
  for (int64_t r = 0; r < count; r += kTileRows, to += kStrip) {
    pack_across<T, kRound>(to, from + r * stride, stride, std::min(kTileRows, count - r), depth);
  }
}

// Rows first … and depth k … of a.
void pack_left(const PackedProduct& p, float* to, int64_t first, int64_t count, int64_t k, int64_t depth) {
  if (p.windows) return pack_window_columns(*p.windows, p.a, p.round, to, first, count, k, depth);
  as_operand(p.a, p.round, [&](auto round, auto* a) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(a)>>;
    if (p.transpose_a) {
      pack_rows<T, decltype(round)::value, kTileRows>(to, kStrip, a + k * p.m + first, p.m, count, depth);
    } else {
      pack_columns<T, decltype(round)::value>(to, a + first * p.k + k, p.k, count, depth);
    }
  });
}

// Columns first … and depth k … of b.
void pack_right(const PackedProduct& p, float* to, int64_t first, int64_t count, int64_t k, int64_t depth) {
  as_operand(p.b, p.round, [&](auto round, auto* b) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(b)>>;
    pack_rows<T, decltype(round)::value, kLanes>(to, depth * kLanes, b + k * p.n + first, p.n, count, depth);
  });
}

// A block of y by packed strips.
struct Block {
  const float *left, *right, *bias;
  float* y;
  int64_t stride, rows, columns, depth;
  bool add, last, relu;  // last: of the depth
};

GRADSTEP_INLINE void tile(const Block& b, const float* left, const float* right, float* z, int64_t stride,
                          int64_t rows) {
  const ProductOperands o{left, kTileRows, right, kLanes, z, stride, kVector, b.depth};
  tile_product_of<kTileRows, 2, true, EightLanes>(rows, o, b.add);
}

// NaN stays NaN, as in scalar::relu.
GRADSTEP_INLINE void finish(const Block& b, float* z, int64_t stride, int64_t rows, int64_t column, int64_t columns) {
  for (int64_t r = 0; r < rows; r++, z += stride) {
    if (b.bias) {
      for (int64_t c = 0; c < columns; c++) z[c] += b.bias[column + c];
    }
    if (b.relu) {
      for (int64_t c = 0; c < columns; c++) z[c] = z[c] < 0.f ? 0.f : z[c];
    }
  }
}

GRADSTEP_VECTORISED void multiply_block(const Block& b) {
  const bool finishes = b.last && (b.bias || b.relu);
  for (int64_t c = 0; c < b.columns; c += kLanes) {
    const float* right = b.right + c * b.depth;
    const int64_t columns = std::min(kLanes, b.columns - c);
    for (int64_t r = 0; r < b.rows; r += kTileRows) {
      const float* left = b.left + r / kTileRows * kStrip;
      const int64_t rows = std::min(kTileRows, b.rows - r);
      float* y = b.y + r * b.stride + c;
      if (columns == kLanes) {
        tile(b, left, right, y, b.stride, rows);
        if (finishes) finish(b, y, b.stride, rows, c, kLanes);
        continue;
      }
      alignas(64) float aside[kTileRows * kLanes] = {};
      if (b.add) {
        for (int64_t i = 0; i < rows; i++) std::memcpy(aside + i * kLanes, y + i * b.stride, columns * sizeof(float));
      }
      tile(b, left, right, aside, kLanes, rows);
      if (finishes) finish(b, aside, kLanes, rows, c, columns);
      for (int64_t i = 0; i < rows; i++) std::memcpy(y + i * b.stride, aside + i * kLanes, columns * sizeof(float));
    }
  }
}

struct Range {
  int64_t begin, end;
};

// Some rows and columns of y, and some of the depth.
void multiply_part(const PackedProduct& p, float* y, float* memory, const Range& rows, const Range& columns,
                   const Range& depths, bool add) {
  float *const left = memory, *const right = memory + kLeft;
  for (int64_t c = columns.begin; c < columns.end; c += kColumnsAtOnce) {
    const int64_t width = std::min(kColumnsAtOnce, columns.end - c);
    for (int64_t k = depths.begin; k < depths.end; k += kBlockDepth) {
      const int64_t depth = std::min(kBlockDepth, depths.end - k);
      pack_right(p, right, c, width, k, depth);
      for (int64_t r = rows.begin; r < rows.end; r += kRowsAtOnce) {
        const int64_t count = std::min(kRowsAtOnce, rows.end - r);
        pack_left(p, left, r, count, k, depth);
        multiply_block({left, right, p.bias ? p.bias + c : nullptr, y + r * p.n + c, p.n, count, width, depth,
                        add || k > depths.begin, k + depth == p.k, p.relu});
      }
    }
  }
}

int64_t slices_of(const PackedProduct& p) { return (p.k + p.slice - 1) / p.slice; }

}  // namespace

bool packs(const PackedProduct& p) {
  if (register_lanes() != kVector || std::min({p.m, p.n, p.k}) < kLeast) return false;
  const auto aliases = [](int64_t row) { return row % kAliasing == 0; };
  if (p.transpose_a) return p.m % kLanes == 0 && (aliases(p.m) || aliases(p.n));
  return aliases(p.n) && p.k >= kAliasing;
}

size_t packed_product_bytes(const PackedProduct& p, int threads) {
  return (threads * kPart + (slices_of(p) - 1) * p.m * p.n) * sizeof(float);
}

void multiply_packed(const PackedProduct& p, float* y, void* workspace, int threads) {
  const bool by_rows = p.m > p.n;
  const int64_t slices = slices_of(p), extent = by_rows ? p.m : p.n, multiple = by_rows ? kTileRows : kLanes;
  const int64_t cuts = (threads + slices - 1) / slices;  // of the rows or columns
  const int64_t size = (extent + cuts - 1) / cuts, cut = (size + multiple - 1) / multiple * multiple;
  float* const partial = static_cast<float*>(workspace) + threads * kPart;
  parallel_ranges(cuts * slices, threads, 1, [&](int part, int64_t begin, int64_t end) {
    float* const memory = static_cast<float*>(workspace) + part * kPart;
    for (int64_t i = begin; i < end; i++) {
      const int64_t at = i / cuts, first = i % cuts * cut;
      if (first >= extent) continue;
      const Range range{first, std::min(extent, first + cut)};
      const Range depths{at * p.slice, std::min(p.k, (at + 1) * p.slice)};
      multiply_part(p, at ? partial + (at - 1) * p.m * p.n : y, memory, by_rows ? range : Range{0, p.m},
                    by_rows ? Range{0, p.n} : range, depths, !at && p.add);
    }
  });
  if (slices == 1) return;
  parallel_ranges(p.m * p.n, parts_of(p.m * p.n, threads), kLanes, [&](int, int64_t begin, int64_t end) {
    for (int64_t at = 0; at < slices - 1; at++) add(y + begin, partial + at * p.m * p.n + begin, end - begin);
  });
}

}  // namespace gradstep::cpu
