// See tile_product.h. Each thread has a range of the longer side of y, whose operand it packs in chunks, each used
// while it is in the caches; the other operand it packs whole, for itself: cheaper than waiting for one another. An a
// in bfloat16 of whole tiles is read where it lies. Tiles are those of tile_pack.h.
#include "cpu/tile_product.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/tile_pack.h"
#include "cpu/tile_vectors.h"
#include "cpu/vector.h"

namespace gradstep::cpu {

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

constexpr int64_t kStep = 2 * kSide;             // rows and columns that are multiplied at a time
constexpr int64_t kProducts = int64_t{1} << 20;  // a thread's share that repays a fork: on the tile units
constexpr int64_t kVectorProducts = kProducts / 2;
constexpr int64_t kChunk = 4 * kStep;  // rows of a, or columns of b, that are packed at a time

int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

int64_t depth_tiles(const TileProduct& p) { return (p.k + kDepth - 1) / kDepth; }

// Rows begin … end - 1 of a, or columns of b, as [16 of them][depth in tiles], padded with zeros. `along`: each has its
// depth side by side, `stride` apart; otherwise a step of the depth has them side by side, and the next lies `stride`
// on: then all of a step are read together, as those of others lie in other pages.
struct Side {
  Stored from;
  int64_t stride, depth;
  bool along, turned;
};

template <typename Element>
GRADSTEP_TILES void pack_elements(const Side& s, const Element* from, uint16_t* to, int64_t begin, int64_t end) {
  const int64_t tiles = (s.depth + kDepth - 1) / kDepth;
  if (s.along) {
    for (int64_t i = begin; i < end; i += kSide) {
      for (int64_t k = 0; k < s.depth; k += kDepth, to += kTile) {
        pack_along(to, from + i * s.stride + k, s.stride, end - i, s.depth - k, s.turned);
      }
    }
    return;
  }
  for (int64_t k = 0; k < s.depth; k += kDepth, to += kTile) {
    uint16_t* tile = to;
    for (int64_t i = begin; i < end; i += kSide, tile += tiles * kTile) {
      pack_across(tile, from + k * s.stride + i, s.stride, end - i, s.depth - k, s.turned);
    }
  }
}

void pack(const Side& s, uint16_t* to, int64_t begin, int64_t end) {
  typed(s.from, [&](const auto* from) { pack_elements(s, from, to, begin, end); });
}

// A tile of a has its rows one after the other, one of b its pairs.
void pack_a(const TileProduct& p, uint16_t* to, int64_t begin, int64_t end) {
  pack({p.a, p.transpose_a ? p.m : p.k, p.k, !p.transpose_a, p.transpose_a}, to, begin, end);
}

void pack_b(const TileProduct& p, uint16_t* to, int64_t begin, int64_t end) {
  pack({p.b, p.transpose_b ? p.k : p.n, p.k, p.transpose_b, p.transpose_b}, to, begin, end);
}

// Tiles of a as they are multiplied: packed, or where its rows lie.
struct RowTiles {
  const uint16_t* at;
  int64_t row_bytes, step, block;  // to the next row; elements to the next tile of the depth, and to the next 16 rows
};

// to [32][32] = up to 32 rows times up to 32 columns. On the tile units accumulators 0 to 3, row by row.
template <int kRows, int kColumns>
GRADSTEP_TILE_INLINE void multiply_block(RowTiles a, const uint16_t* b, int64_t tiles, float* to, int64_t stride) {
  const int64_t block = tiles * kTile;
  if (!has_tile_units()) {
    for (int r = 0; r < kRows; r++) {
      for (int c = 0; c < kColumns; c++) {
        const auto row_tile = [&](int64_t step) { return a.at + r * a.block + step * a.step; };
        multiply_in_vectors<false, kSide, 1>(row_tile, a.row_bytes / 2, {b + c * block, block, kTile}, tiles,
                                             {to + (r * stride + c) * kSide, stride, kSide});
      }
    }
    return;
  }
  _tile_zero(0);
  if constexpr (kColumns > 1) _tile_zero(1);
  if constexpr (kRows > 1) _tile_zero(2);
  if constexpr (kRows > 1 && kColumns > 1) _tile_zero(3);
  for (int64_t k = 0; k < tiles; k++, a.at += a.step, b += kTile) {
    _tile_loadd(4, a.at, a.row_bytes);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kColumns > 1) {
      _tile_loadd(7, b + block, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kRows > 1) {
      _tile_loadd(5, a.at + a.block, a.row_bytes);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kColumns > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, to, stride * sizeof(float));
  if constexpr (kColumns > 1) _tile_stored(1, to + kSide, stride * sizeof(float));
  if constexpr (kRows > 1) {
    _tile_stored(2, to + kSide * stride, stride * sizeof(float));
    if constexpr (kColumns > 1) _tile_stored(3, to + kSide * stride + kSide, stride * sizeof(float));
  }
}

// Up to 32 elements side by side, in float32.
struct Pair {
  __m512 low, high;
};
struct PairMask {
  __mmask16 low, high;
};

template <typename Element>
GRADSTEP_TILE_INLINE Pair load_pair(const Element* from, PairMask there) {
  return {load_wide(there.low, from), load_wide(there.high, from + kSide)};
}

GRADSTEP_TILE_INLINE void store_pair(float* to, PairMask there, Pair v) {
  store_narrow(to, there.low, v.low);
  store_narrow(to + kSide, there.high, v.high);
}

GRADSTEP_TILE_INLINE void store_pair(uint16_t* to, PairMask there, Pair v) {
  _mm512_mask_storeu_epi16(to, static_cast<__mmask32>(there.high) << kSide | there.low, rounded(v.low, v.high));
}

GRADSTEP_TILE_INLINE Pair sum_of(Pair a, Pair b) {
  return {_mm512_add_ps(a.low, b.low), _mm512_add_ps(a.high, b.high)};
}

GRADSTEP_TILE_INLINE Pair masked(Pair v, Pair mask) {
  const __m512 zero = _mm512_setzero_ps();
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(mask.low, zero, _CMP_GT_OQ), v.low),
          _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(mask.high, zero, _CMP_GT_OQ), v.high)};
}

// Where a block of results lies in y.
struct Place {
  int64_t row, column, rows, columns;
};

// Results of one block, [kStep][kStep], to y; those of its columns are added to sums [n].
template <typename Element, typename Mask>
GRADSTEP_TILES void finish(const TileProduct& p, const float* block, float* sums, const Place& at, Element* y,
                           const Mask* mask) {
  const PairMask there{first(at.columns), first(at.columns - kSide)};
  const __m512 zero = _mm512_setzero_ps();
  const Pair bias = p.bias ? load_pair(p.bias + at.column, there) : Pair{zero, zero};
  Pair sum{zero, zero};
  int64_t place = at.row * p.n + at.column;
  for (int64_t r = 0; r < at.rows; r++, place += p.n, block += kStep) {
    Pair v{_mm512_load_ps(block), _mm512_load_ps(block + kSide)};
    if (p.accumulate) v = sum_of(v, load_pair(y + place, there));
    v = sum_of(v, bias);
    if (p.relu) v = {_mm512_max_ps(zero, v.low), _mm512_max_ps(zero, v.high)};  // in this order NaN stays
    if (mask) v = masked(v, load_pair(mask + place, there));
    store_pair(y + place, there, v);
    sum = sum_of(sum, v);
  }
  if (sums) store_pair(sums + at.column, there, sum_of(load_pair(sums + at.column, there), sum));
}

template <int kRows, int kColumns>
GRADSTEP_TILE_INLINE void one_block(const TileProduct& p, RowTiles a, const uint16_t* b, float* sums, const Place& at) {
  const bool whole = at.rows == kRows * kSide && at.columns == kColumns * kSide;
  const bool plain = whole && !p.y.narrow() && !p.accumulate && !p.bias && !p.relu && !p.mask && !sums;
  alignas(64) float block[kStep * kStep];
  float* to = plain ? static_cast<float*>(p.y.at) + at.row * p.n + at.column : block;
  const int64_t stride = plain ? p.n : kStep;
  multiply_block<kRows, kColumns>(a, b, depth_tiles(p), to, stride);
  if (plain) return;
  typed(p.y, [&](auto* y) { typed(p.mask, [&](const auto* mask) { finish(p, block, sums, at, y, mask); }); });
}

// Rows begin … end - 1 of a times the packed columns first … last - 1 of b.
GRADSTEP_TILES void multiply_blocks(const TileProduct& p, RowTiles a, int64_t begin, int64_t end, const uint16_t* b,
                                    int64_t first_column, int64_t last_column, float* sums) {
  const TileScope scope;
  const int64_t side = depth_tiles(p) * kTile;  // elements of sixteen columns
  for (int64_t c = first_column; c < last_column; c += kStep) {
    const uint16_t* at_b = b + (c - first_column) / kSide * side;
    const int64_t columns = std::min(kStep, last_column - c);
    for (int64_t r = begin; r < end; r += kStep) {
      const RowTiles at_a{a.at + (r - begin) / kSide * a.block, a.row_bytes, a.step, a.block};
      const Place at{r, c, std::min(kStep, end - r), columns};
      if (at.rows > kSide) {
        columns > kSide ? one_block<2, 2>(p, at_a, at_b, sums, at) : one_block<2, 1>(p, at_a, at_b, sums, at);
      } else {
        columns > kSide ? one_block<1, 2>(p, at_a, at_b, sums, at) : one_block<1, 1>(p, at_a, at_b, sums, at);
      }
    }
  }
}

// How the work is divided: the longer side among threads, in multiples of what is multiplied at a time. Of an a that is
// read where it lies it takes twice the rows: the columns of b are then packed by one thread each, and a by nobody.
struct Division {
  Division(const TileProduct& p, int threads)
      : in_place(p.a.narrow() && !p.transpose_a && p.k % kDepth == 0 && p.m % kSide == 0 && !shares_sets(p.k)),
        by_rows(p.m >= (in_place ? 2 : 1) * p.n),
        length(by_rows ? p.m : p.n),
        parts(static_cast<int>(std::clamp<int64_t>(std::min(p.m * p.n * p.k / share(), length / kStep), 1, threads))),
        depth(depth_tiles(p) * kDepth) {}
  bool in_place, by_rows;
  int64_t length;
  int parts;
  int64_t depth;  // padded

  static int64_t share() { return has_tile_units() ? kProducts : kVectorProducts; }

  // Whether rows of so many elements fall into the same sets of the first-level cache: vectors read a line of each of
  // sixteen rows sixteen times.
  static bool shares_sets(int64_t elements) { return !has_tile_units() && elements % 2048 == 0; }

  // Elements of the operand that is packed whole, and of a chunk of the other.
  int64_t whole(const TileProduct& p) const {
    return !by_rows && in_place ? 0 : rounded_up(by_rows ? p.n : p.m, kSide) * depth;
  }
  int64_t chunk() const { return by_rows && in_place ? 0 : std::min(kChunk, rounded_up(length, kSide)) * depth; }

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
    if (d.by_rows) {
      pack_b(p, other, 0, p.n);
    } else if (!d.in_place) {
      pack_a(p, other, 0, p.m);
    }
    const auto rows = [&](const uint16_t* packed, int64_t row) {
      if (d.in_place) return RowTiles{static_cast<const uint16_t*>(p.a.at) + row * p.k, p.k * 2, kDepth, kSide * p.k};
      return RowTiles{packed, kDepth * 2, kTile, kSide * d.depth};
    };
    for (int64_t at = begin; at < end; at += kChunk) {
      const int64_t to = std::min(end, at + kChunk);
      if (d.by_rows) {
        if (!d.in_place) pack_a(p, chunk, at, to);
        multiply_blocks(p, rows(chunk, at), at, to, other, 0, p.n, sums);
      } else {
        pack_b(p, chunk, at, to);
        multiply_blocks(p, rows(other, 0), 0, p.m, chunk, at, to, sums);
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
