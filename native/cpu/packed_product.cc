// See packed_product.h. A strip of the left operand is [depth][6 rows], one of the right [depth][16 columns]: a tile of
// 6 x 16 sums stays in registers over a block of the depth, its 16 columns in the first-level cache for all rows of a
// block, and those rows in the second. oneDNN reads operands across their rows where they lie, and rows that are a
// multiple of 2 KiB apart fall into a few sets of the caches: there it takes 1.2 to 2 times as long.
#include "cpu/packed_product.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/bfloat16.h"
#include "cpu/micro_product.h"
#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kTileRows = 6;
constexpr int64_t kDepth = 256;          // of a block
constexpr int64_t kRowsAtOnce = 96;      // of a block of the left operand
constexpr int64_t kColumnsAtOnce = 512;  // of a block of the right operand
constexpr int64_t kVector = kLanes / 2;
constexpr int64_t kStrip = kDepth * kTileRows + kVector;  // rows are stored eight numbers at a time, six of which count
constexpr int64_t kLeft = kRowsAtOnce / kTileRows * kStrip;
constexpr int64_t kRight = kColumnsAtOnce * kDepth;
constexpr int64_t kLeast = 128;     // extent from which packing pays
constexpr int64_t kAliasing = 512;  // rows a multiple of so many floats apart share sets of the caches
constexpr int64_t kPart = (kLeft + kRight + 15) / 16 * 16;  // floats of a thread

template <bool kRound>
GRADSTEP_INLINE float operand(float x) {
  return kRound ? round_to_bfloat16(x) : x;
}
template <bool kRound>
GRADSTEP_INLINE float operand(uint16_t x) {
  return from_bfloat16(x);
}

// Eight rows of eight become columns.
GRADSTEP_INLINE void transpose(EightLanes (&r)[kVector]) {
  EightLanes t[kVector];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  EightLanes u[kVector];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      u[i + 2 * j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      u[i + 2 * j + 1] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// to[k][6] = up to six rows of `depth` numbers, side by side; zeros for those beyond `rows`.
template <typename T, bool kRound>
GRADSTEP_INLINE void pack_across(float* to, const T* from, int64_t stride, int64_t rows, int64_t depth) {
  int64_t k = 0;
  for (; k + kVector <= depth; k += kVector) {
    EightLanes block[kVector] = {};
#pragma GCC unroll 6
    for (int64_t r = 0; r < kTileRows; r++) {
      if (r < rows) block[r] = load_operand<EightLanes, kRound>(from + r * stride + k);
    }
    transpose(block);
#pragma GCC unroll 8
    for (int i = 0; i < kVector; i++) store_lanes(to + (k + i) * kTileRows, block[i]);
  }
  for (; k < depth; k++) {
    for (int64_t r = 0; r < kTileRows; r++) {
      to[k * kTileRows + r] = r < rows ? operand<kRound>(from[r * stride + k]) : 0.f;
    }
  }
}

// to[strip][k][kWidth] = `depth` rows of `count` numbers that lie side by side already; zeros beyond them.
template <typename T, bool kRound, int64_t kWidth>
GRADSTEP_INLINE void pack_along(float* to, int64_t strip, const T* from, int64_t stride, int64_t count, int64_t depth) {
  for (int64_t k = 0; k < depth; k++, from += stride) {
    float* place = to + k * kWidth;
    int64_t c = 0;
    for (; c + std::max(kWidth, kVector) <= count; c += kWidth, place += strip) {
      store_lanes(place, load_operand<EightLanes, kRound>(from + c));
      if constexpr (kWidth > kVector) {
        store_lanes(place + kVector, load_operand<EightLanes, kRound>(from + c + kVector));
      }
    }
    for (; c < count; c += kWidth, place += strip) {
      for (int64_t l = 0; l < kWidth; l++) place[l] = c + l < count ? operand<kRound>(from[c + l]) : 0.f;
    }
  }
}

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

// body(elements of x, whether they are to be rounded, as a type).
template <typename Body>
void with_operand(const Stored& x, bool round, const Body& body) {
  if (x.narrow()) {
    body(static_cast<const uint16_t*>(x.at), std::false_type());
  } else if (round) {
    body(static_cast<const float*>(x.at), std::true_type());
  } else {
    body(static_cast<const float*>(x.at), std::false_type());
  }
}

// Rows first … and depth k … of a.
void pack_left(const PackedProduct& p, float* to, int64_t first, int64_t count, int64_t k, int64_t depth) {
  with_operand(p.a, p.round, [&](auto* a, auto round) {
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
  with_operand(p.b, p.round, [&](auto* b, auto round) {
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
  switch (rows) {
    case 1:
      return tile_product<1, 2, true, EightLanes>(o, b.add);
    case 2:
      return tile_product<2, 2, true, EightLanes>(o, b.add);
    case 3:
      return tile_product<3, 2, true, EightLanes>(o, b.add);
    case 4:
      return tile_product<4, 2, true, EightLanes>(o, b.add);
    case 5:
      return tile_product<5, 2, true, EightLanes>(o, b.add);
    default:
      return tile_product<6, 2, true, EightLanes>(o, b.add);
  }
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

// Some rows and columns of y.
void multiply_part(const PackedProduct& p, float* y, float* memory, const Range& rows, const Range& columns) {
  float *const left = memory, *const right = memory + kLeft;
  for (int64_t c = columns.begin; c < columns.end; c += kColumnsAtOnce) {
    const int64_t width = std::min(kColumnsAtOnce, columns.end - c);
    for (int64_t k = 0; k < p.k; k += kDepth) {
      const int64_t depth = std::min(kDepth, p.k - k);
      pack_right(p, right, c, width, k, depth);
      for (int64_t r = rows.begin; r < rows.end; r += kRowsAtOnce) {
        const int64_t count = std::min(kRowsAtOnce, rows.end - r);
        pack_left(p, left, r, count, k, depth);
        multiply_block({left, right, p.bias ? p.bias + c : nullptr, y + r * p.n + c, p.n, count, width, depth,
                        p.add || k > 0, k + depth == p.k, p.relu});
      }
    }
  }
}

}  // namespace

bool packs(const PackedProduct& p) {
  if (register_lanes() != kVector || std::min({p.m, p.n, p.k}) < kLeast) return false;
  const auto aliases = [](int64_t row) { return row % kAliasing == 0; };
  if (p.transpose_a) return p.m % kLeast == 0 && (aliases(p.m) || aliases(p.n));
  return aliases(p.n) && p.k >= kAliasing;
}

size_t packed_product_bytes(int threads) { return threads * kPart * sizeof(float); }

void multiply_packed(const PackedProduct& p, float* y, void* workspace, int threads) {
  const bool by_rows = p.m > p.n;
  parallel_ranges(by_rows ? p.m : p.n, threads, by_rows ? kTileRows : kLanes,
                  [&](int part, int64_t begin, int64_t end) {
                    float* const memory = static_cast<float*>(workspace) + part * kPart;
                    const Range range{begin, end};
                    multiply_part(p, y, memory, by_rows ? range : Range{0, p.m}, by_rows ? Range{0, p.n} : range);
                  });
}

}  // namespace gradstep::cpu
