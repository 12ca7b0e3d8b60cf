// See packed_product.h. A strip of the left operand is [depth][6 rows], one of the right [depth][16 columns]: a tile of
// 6 x 16 sums stays in registers over a block of the depth, its 16 columns in the first-level cache for all rows of a
// block, and those rows in the second.
#include "cpu/packed_product.h"

#include <algorithm>
#include <cstring>

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
constexpr int64_t kLeast = 128;                             // extent from which packing pays in float32
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

// to[k][kWidth] = up to kWidth rows of `depth` numbers, side by side; zeros for those beyond `rows`. Writes eight
// numbers where it has kWidth.
template <typename T, bool kRound, int64_t kWidth>
GRADSTEP_INLINE void pack_across(float* to, const T* from, int64_t stride, int64_t rows, int64_t depth) {
  int64_t k = 0;
  for (; k + kVector <= depth; k += kVector) {
#pragma GCC unroll 2
    for (int64_t half = 0; half < kWidth; half += kVector) {
      EightLanes block[kVector] = {};
      for (int64_t r = 0; r < std::min(kVector, kWidth - half); r++) {
        if (half + r < rows) block[r] = load_operand<EightLanes, kRound>(from + (half + r) * stride + k);
      }
      transpose(block);
#pragma GCC unroll 8
      for (int i = 0; i < kVector; i++) store_lanes(to + (k + i) * kWidth + half, block[i]);
    }
  }
  for (; k < depth; k++) {
    for (int64_t r = 0; r < kWidth; r++) to[k * kWidth + r] = r < rows ? operand<kRound>(from[r * stride + k]) : 0.f;
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

// One block of an operand: `count` rows of a, or columns of b. `along`: those lie side by side.
struct Source {
  const void* at;
  int64_t stride;
  bool along;
  int64_t count, depth;
};

template <typename T, bool kRound, int64_t kWidth>
GRADSTEP_VECTORISED void pack(float* to, int64_t strip, const Source& s) {
  const T* from = static_cast<const T*>(s.at);
  if (s.along) {
    pack_along<T, kRound, kWidth>(to, strip, from, s.stride, s.count, s.depth);
    return;
  }
  for (int64_t c = 0; c < s.count; c += kWidth, to += strip) {
    pack_across<T, kRound, kWidth>(to, from + c * s.stride, s.stride, std::min(kWidth, s.count - c), s.depth);
  }
}

// The block that begins at `first` rows (columns) and `k` of the depth.
template <int64_t kWidth>
void pack_block(float* to, int64_t strip, const Stored& x, bool along, int64_t stride, bool round, int64_t first,
                int64_t count, int64_t k, int64_t depth) {
  const Source s{x.bytes_at(along ? k * stride + first : first * stride + k), stride, along, count, depth};
  if (x.narrow()) {
    pack<uint16_t, false, kWidth>(to, strip, s);
  } else if (round) {
    pack<float, true, kWidth>(to, strip, s);
  } else {
    pack<float, false, kWidth>(to, strip, s);
  }
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
  const int64_t left_stride = p.transpose_a ? p.m : p.k, right_stride = p.transpose_b ? p.k : p.n;
  for (int64_t c = columns.begin; c < columns.end; c += kColumnsAtOnce) {
    const int64_t width = std::min(kColumnsAtOnce, columns.end - c);
    for (int64_t k = 0; k < p.k; k += kDepth) {
      const int64_t depth = std::min(kDepth, p.k - k);
      pack_block<kLanes>(right, depth * kLanes, p.b, !p.transpose_b, right_stride, p.round, c, width, k, depth);
      for (int64_t r = rows.begin; r < rows.end; r += kRowsAtOnce) {
        const int64_t count = std::min(kRowsAtOnce, rows.end - r);
        pack_block<kTileRows>(left, kStrip, p.a, p.transpose_a, left_stride, p.round, r, count, k, depth);
        multiply_block({left, right, p.bias ? p.bias + c : nullptr, y + r * p.n + c, p.n, count, width, depth,
                        p.add || k > 0, k + depth == p.k, p.relu});
      }
    }
  }
}

}  // namespace

bool packs(const PackedProduct& p) {
  if (register_lanes() != kVector) return false;
  // oneDNN would need passes that round or widen.
  if (p.round || p.a.narrow() || p.b.narrow()) return p.n >= kLanes && p.m >= kTileRows;
  return std::min({p.m, p.n, p.k}) >= kLeast;
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
