// See tile_product.h. Each thread has a range of the longer side of y, whose operand it packs in chunks, each used
// while it is in the caches; the other operand it packs whole, for itself: cheaper than waiting for one another. Tiles
// are those of tile_pack.h.
#include "cpu/tile_product.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/tile_pack.h"
#include "cpu/vector.h"

namespace gradstep::cpu {

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

constexpr int64_t kStep = 2 * kSide;             // rows and columns that are multiplied at a time
constexpr int64_t kProducts = int64_t{1} << 21;  // a thread's share that repays a fork
constexpr int64_t kChunk = 4 * kStep;            // rows of a, or columns of b, that are packed at a time

int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

int64_t depth_tiles(const TileProduct& p) { return (p.k + kDepth - 1) / kDepth; }

// Rows begin … end - 1 of a, or columns of b, as [16 of them][depth in tiles], padded with zeros. `along`: each has its
// depth side by side, `stride` apart; otherwise a step of the depth has them side by side, and the next lies `stride`
// on: then all of a step are read together, as those of others lie in other pages.
struct Side {
  const float* from;
  int64_t stride, depth;
  bool along, turned;
};

GRADSTEP_TILES void pack(const Side& s, uint16_t* to, int64_t begin, int64_t end) {
  const int64_t tiles = (s.depth + kDepth - 1) / kDepth;
  if (s.along) {
    for (int64_t i = begin; i < end; i += kSide) {
      for (int64_t k = 0; k < s.depth; k += kDepth, to += kTile) {
        pack_along(to, s.from + i * s.stride + k, s.stride, end - i, s.depth - k, s.turned);
      }
    }
    return;
  }
  for (int64_t k = 0; k < s.depth; k += kDepth, to += kTile) {
    uint16_t* tile = to;
    for (int64_t i = begin; i < end; i += kSide, tile += tiles * kTile) {
      pack_across(tile, s.from + k * s.stride + i, s.stride, end - i, s.depth - k, s.turned);
    }
  }
}

// A tile of a has its rows one after the other, one of b its pairs.
void pack_a(const TileProduct& p, uint16_t* to, int64_t begin, int64_t end) {
  pack({p.a, p.transpose_a ? p.m : p.k, p.k, !p.transpose_a, p.transpose_a}, to, begin, end);
}

void pack_b(const TileProduct& p, uint16_t* to, int64_t begin, int64_t end) {
  pack({p.b, p.transpose_b ? p.k : p.n, p.k, p.transpose_b, p.transpose_b}, to, begin, end);
}

// Up to 32 rows times up to 32 columns: accumulators 0 to 3, row by row.
template <int kRows, int kColumns>
GRADSTEP_TILE_INLINE void multiply_block(const uint16_t* a, const uint16_t* b, int64_t tiles) {
  const int64_t block = tiles * kTile;
  for (int64_t k = 0; k < tiles; k++, a += kTile, b += kTile) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kColumns > 1) {
      _tile_loadd(7, b + block, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kRows > 1) {
      _tile_loadd(5, a + block, 64);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kColumns > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
}

// Results of one block, [kStep][kStep], to y; those of its columns are added to sums [n].
GRADSTEP_TILE_INLINE void finish(const TileProduct& p, const float* block, float* sums, int64_t row, int64_t column,
                                 int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; c += kSide) {
    const __mmask16 there = first(columns - c);
    const __m512 bias = p.bias ? _mm512_maskz_loadu_ps(there, p.bias + column + c) : _mm512_setzero_ps();
    __m512 sum = _mm512_setzero_ps();
    for (int64_t r = 0; r < rows; r++) {
      float* to = p.y + (row + r) * p.n + column + c;
      __m512 v = _mm512_maskz_loadu_ps(there, block + r * kStep + c);
      if (p.accumulate) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(there, to));
      v = _mm512_add_ps(v, bias);
      if (p.relu) v = _mm512_max_ps(_mm512_setzero_ps(), v);  // in this order NaN stays, as in scalar::relu
      if (p.mask) {
        const __m512 mask = _mm512_maskz_loadu_ps(there, p.mask + (to - p.y));
        v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(mask, _mm512_setzero_ps(), _CMP_GT_OQ), v);
      }
      _mm512_mask_storeu_ps(to, there, v);
      sum = _mm512_add_ps(sum, v);
    }
    if (sums) {
      float* const total = sums + column + c;
      _mm512_mask_storeu_ps(total, there, _mm512_add_ps(_mm512_maskz_loadu_ps(there, total), sum));
    }
  }
}

template <int kRows, int kColumns>
GRADSTEP_TILE_INLINE void one_block(const TileProduct& p, const uint16_t* a, const uint16_t* b, float* sums,
                                    int64_t row, int64_t column, int64_t rows, int64_t columns) {
  _tile_zero(0);
  if constexpr (kColumns > 1) _tile_zero(1);
  if constexpr (kRows > 1) _tile_zero(2);
  if constexpr (kRows > 1 && kColumns > 1) _tile_zero(3);
  multiply_block<kRows, kColumns>(a, b, depth_tiles(p));
  const bool whole = rows == kRows * kSide && columns == kColumns * kSide;
  const bool plain = whole && !p.accumulate && !p.bias && !p.relu && !p.mask && !sums;
  alignas(64) float block[kStep * kStep];
  float* to = plain ? p.y + row * p.n + column : block;
  const int64_t stride = plain ? p.n : kStep;
  _tile_stored(0, to, stride * sizeof(float));
  if constexpr (kColumns > 1) _tile_stored(1, to + kSide, stride * sizeof(float));
  if constexpr (kRows > 1) {
    _tile_stored(2, to + kSide * stride, stride * sizeof(float));
    if constexpr (kColumns > 1) _tile_stored(3, to + kSide * stride + kSide, stride * sizeof(float));
  }
  if (!plain) finish(p, block, sums, row, column, rows, columns);
}

// The packed rows begin … end - 1 of a times the packed columns first … last - 1 of b.
GRADSTEP_TILES void multiply_blocks(const TileProduct& p, const uint16_t* a, int64_t begin, int64_t end,
                                    const uint16_t* b, int64_t first_column, int64_t last_column, float* sums) {
  const TileScope scope;
  const int64_t side = depth_tiles(p) * kTile;  // elements of sixteen rows or columns
  for (int64_t c = first_column; c < last_column; c += kStep) {
    const uint16_t* at_b = b + (c - first_column) / kSide * side;
    const int64_t columns = std::min(kStep, last_column - c);
    for (int64_t r = begin; r < end; r += kStep) {
      const uint16_t* at_a = a + (r - begin) / kSide * side;
      const int64_t rows = std::min(kStep, end - r);
      if (rows > kSide) {
        columns > kSide ? one_block<2, 2>(p, at_a, at_b, sums, r, c, rows, columns)
                        : one_block<2, 1>(p, at_a, at_b, sums, r, c, rows, columns);
      } else {
        columns > kSide ? one_block<1, 2>(p, at_a, at_b, sums, r, c, rows, columns)
                        : one_block<1, 1>(p, at_a, at_b, sums, r, c, rows, columns);
      }
    }
  }
}

// How the work is divided: the longer side among threads, in multiples of what is multiplied at a time.
struct Division {
  Division(const TileProduct& p, int threads)
      : by_rows(p.m >= p.n),
        length(by_rows ? p.m : p.n),
        parts(static_cast<int>(std::clamp<int64_t>(std::min(p.m * p.n * p.k / kProducts, length / kStep), 1, threads))),
        depth(depth_tiles(p) * kDepth) {}
  bool by_rows;
  int64_t length;
  int parts;
  int64_t depth;  // padded

  // Elements of the operand that is packed whole, and of a chunk of the other.
  int64_t whole(const TileProduct& p) const { return rounded_up(by_rows ? p.n : p.m, kSide) * depth; }
  int64_t chunk() const { return std::min(kChunk, rounded_up(length, kSide)) * depth; }

  // Threads that divide the rows each have sums of their own.
  int sums(const TileProduct& p) const { return p.sums && by_rows && parts > 1 ? parts : 0; }
};

}  // namespace

size_t tile_product_bytes(const TileProduct& p, int threads) {
  const Division d(p, threads);
  return d.parts * (d.whole(p) + d.chunk()) * sizeof(uint16_t) + d.sums(p) * p.n * sizeof(float);
}

void multiply_in_tiles(const TileProduct& p, void* workspace, int threads) {
  const Division d(p, threads);
  const int64_t whole = d.whole(p), each = whole + d.chunk();
  uint16_t* const packed = static_cast<uint16_t*>(workspace);
  float* const own_sums = reinterpret_cast<float*>(packed + d.parts * each);
  if (p.sums) fill(p.sums, 0.f, p.n);
  fill(own_sums, 0.f, d.sums(p) * p.n);
  parallel_ranges(d.length, d.parts, kStep, [&](int part, int64_t begin, int64_t end) {
    uint16_t* other = packed + part * each;
    uint16_t* chunk = other + whole;
    float* const sums = d.sums(p) > 0 ? own_sums + part * p.n : p.sums;
    d.by_rows ? pack_b(p, other, 0, p.n) : pack_a(p, other, 0, p.m);
    for (int64_t at = begin; at < end; at += kChunk) {
      const int64_t to = std::min(end, at + kChunk);
      if (d.by_rows) {
        pack_a(p, chunk, at, to);
        multiply_blocks(p, chunk, at, to, other, 0, p.n, sums);
      } else {
        pack_b(p, chunk, at, to);
        multiply_blocks(p, other, 0, p.m, chunk, at, to, sums);
      }
    }
  });
  for (int part = 0; part < d.sums(p); part++) add(p.sums, own_sums + part * p.n, p.n);
}

#else

size_t tile_product_bytes(const TileProduct&, int) { return 0; }
void multiply_in_tiles(const TileProduct&, void*, int) {}

#endif

}  // namespace gradstep::cpu
