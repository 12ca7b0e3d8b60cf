// See unpacked_product.h.
#include "cpu/unpacked_product.h"

#include <algorithm>
#include <cstring>

#include "cpu/micro_product.h"
#include "cpu/packed_strips.h"
#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRows = 8;              // of a tile
constexpr int64_t kColumns = 2 * kLanes;  // of a tile
constexpr int64_t kDepth = 1024;          // that is summed at a time
constexpr int64_t kMostRows = 1024;       // that it suits
constexpr int64_t kMostProducts = int64_t{1} << 25;
constexpr int64_t kRowsAtOnce = 64;  // whose part of the left operand stays near while columns change

struct Range {
  int64_t begin, end;
};

// Strips of columns that are packed, [depth][32] each, zeros beyond the last column: all of a transposed operand, and
// of others the last one where it is not whole.
int64_t first_packed(const UnpackedProduct& p) { return p.transpose_b ? 0 : p.n / kColumns; }
int64_t strips(const UnpackedProduct& p) { return (p.n + kColumns - 1) / kColumns; }

GRADSTEP_VECTORISED void pack_strip(const UnpackedProduct& p, int64_t strip, float* to) {
  const int64_t first = strip * kColumns, columns = std::min(kColumns, p.n - first);
  if (!p.transpose_b) {
    for (int64_t k = 0; k < p.k; k++) {
      for (int64_t c = 0; c < kColumns; c++) to[k * kColumns + c] = c < columns ? p.b[k * p.n + first + c] : 0.f;
    }
    return;
  }
  int64_t k = 0;
  for (; k + kVector <= p.k; k += kVector) {
    for (int64_t c = 0; c < kColumns; c += kVector) {
      EightLanes block[kVector] = {};
#pragma GCC unroll 8
      for (int64_t i = 0; i < kVector; i++) {
        if (c + i < columns) block[i] = load_lanes<EightLanes>(p.b + (first + c + i) * p.k + k);
      }
      transpose(block);
#pragma GCC unroll 8
      for (int64_t i = 0; i < kVector; i++) store_lanes(to + (k + i) * kColumns + c, block[i]);
    }
  }
  for (; k < p.k; k++) {
    for (int64_t c = 0; c < kColumns; c++) to[k * kColumns + c] = c < columns ? p.b[(first + c) * p.k + k] : 0.f;
  }
}

template <int kVectors, bool kTransposed>
GRADSTEP_INLINE void tile(const ProductOperands& o, int64_t rows, bool add) {
  tile_product_of<kRows, kVectors, kTransposed, Lanes>(rows, o, add);
}

// NaN stays NaN, as in scalar::relu.
GRADSTEP_INLINE void finish(const UnpackedProduct& p, float* z, int64_t stride, int64_t rows, int64_t column,
                            int64_t columns) {
  for (int64_t r = 0; r < rows; r++, z += stride) {
    if (p.bias) {
      for (int64_t c = 0; c < columns; c++) z[c] += p.bias[column + c];
    }
    if (p.relu) {
      for (int64_t c = 0; c < columns; c++) z[c] = z[c] < 0.f ? 0.f : z[c];
    }
  }
}

// Where a strip's columns begin, and how far the next of the depth is.
struct Strip {
  const float* at;
  int64_t stride;
};

// Some rows of a strip, over some of the depth.
template <bool kTransposed>
GRADSTEP_INLINE void multiply_strip(const UnpackedProduct& p, Strip b, int64_t strip, const Range& rows,
                                    const Range& depth) {
  const int64_t column = strip * kColumns, columns = std::min(kColumns, p.n - column);
  const bool add = p.add || depth.begin > 0, last = depth.end == p.k && (p.bias || p.relu);
  const int64_t a_row = kTransposed ? 1 : p.k, a_depth = kTransposed ? p.m : 1;
  for (int64_t r = rows.begin; r < rows.end; r += kRows) {
    const int64_t count = std::min(kRows, rows.end - r);
    const float* a = p.a + r * a_row + depth.begin * a_depth;
    const float* from = b.at + depth.begin * b.stride;
    const int64_t a_stride = kTransposed ? p.m : p.k, length = depth.end - depth.begin;
    float* y = p.y + r * p.n + column;
    if (columns == kColumns) {
      tile<2, kTransposed>({a, a_stride, from, b.stride, y, p.n, kLanes, length}, count, add);
      if (last) finish(p, y, p.n, count, column, kColumns);
      continue;
    }
    alignas(64) float aside[kRows * kColumns] = {};
    if (add) {
      for (int64_t i = 0; i < count; i++) std::memcpy(aside + i * kColumns, y + i * p.n, columns * sizeof(float));
    }
    const ProductOperands o{a, a_stride, from, b.stride, aside, kColumns, kLanes, length};
    columns > kLanes ? tile<2, kTransposed>(o, count, add) : tile<1, kTransposed>(o, count, add);
    if (last) finish(p, aside, kColumns, count, column, columns);
    for (int64_t i = 0; i < count; i++) std::memcpy(y + i * p.n, aside + i * kColumns, columns * sizeof(float));
  }
}

template <bool kTransposed>
GRADSTEP_INLINE void multiply_part(const UnpackedProduct& p, const float* packed, const Range& rows,
                                   const Range& columns) {
  const int64_t first = first_packed(p);
  for (int64_t r = rows.begin; r < rows.end; r += kRowsAtOnce) {
    const Range some{r, std::min(rows.end, r + kRowsAtOnce)};
    for (int64_t k = 0; k < p.k; k += kDepth) {
      const Range depth{k, std::min(p.k, k + kDepth)};
      for (int64_t s = columns.begin; s < columns.end; s++) {
        const Strip b =
            s < first ? Strip{p.b + s * kColumns, p.n} : Strip{packed + (s - first) * p.k * kColumns, kColumns};
        multiply_strip<kTransposed>(p, b, s, some, depth);
      }
    }
  }
}

// What the thread with most of n things has to do.
int64_t rounds(int64_t n, int threads) { return (n + threads - 1) / threads; }

bool is_amd() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool amd = __builtin_cpu_is("amd");
  return amd;
#else
  return false;
#endif
}

}  // namespace

bool suits_unpacked(const UnpackedProduct& p) {
  if (register_lanes() != kLanes || !is_amd() || p.n % kLanes != 0 || p.m * p.n * p.k > kMostProducts) return false;
  // Packing b repays for some rows only; of many, oneDNN's tiles of more columns read a less often.
  return p.m >= (p.transpose_b ? kColumns : kRows) && (p.transpose_a || p.m <= kMostRows) && p.k >= kRows;
}

size_t unpacked_product_bytes(const UnpackedProduct& p) {
  return (strips(p) - first_packed(p)) * p.k * kColumns * sizeof(float);
}

void multiply_unpacked(const UnpackedProduct& p, void* workspace, int threads) {
  float* const packed = static_cast<float*>(workspace);
  const int64_t first = first_packed(p), all = strips(p), row_blocks = (p.m + kRows - 1) / kRows;
  const auto pack = [&](int64_t begin, int64_t end) {
    for (int64_t s = std::max(first, begin); s < end; s++) pack_strip(p, s, packed + (s - first) * p.k * kColumns);
  };
  const auto multiply = [&](const Range& rows, const Range& columns) {
    in_sixteen_lanes([&](LaneTag<Lanes>) {
      p.transpose_a ? multiply_part<true>(p, packed, rows, columns) : multiply_part<false>(p, packed, rows, columns);
    });
  };
  // Where either divides as well: the longer side, which is how the optimizer divides a gradient that it then reads.
  const int64_t by_columns = rounds(all, threads) * row_blocks, by_rows = rounds(row_blocks, threads) * all;
  if (by_columns < by_rows || (by_columns == by_rows && p.n > p.m)) {
    parallel_ranges(all, threads, 1, [&](int, int64_t begin, int64_t end) {
      pack(begin, end);
      multiply({0, p.m}, {begin, end});
    });
    return;
  }
  if (first < all)
    parallel_ranges(all - first, threads, 1, [&](int, int64_t b, int64_t e) { pack(first + b, first + e); });
  parallel_ranges(row_blocks, threads, 1, [&](int, int64_t begin, int64_t end) {
    multiply({begin * kRows, std::min(p.m, end * kRows)}, {0, all});
  });
}

}  // namespace gradstep::cpu
