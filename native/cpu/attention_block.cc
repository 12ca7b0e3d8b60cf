// See attention_block.h.
#include "cpu/attention_block.h"

#include <cmath>
#include <cstring>

#include "cpu/bfloat16.h"
#include "cpu/parallel.h"
#include "cpu/random_block.h"
#include "cpu/vector.h"
#include "ops/attention.h"

namespace gradstep::cpu::attend {
namespace {

// What a product multiplies instead of x.
GRADSTEP_INLINE float operand(float x, bool bfloat16) { return bfloat16 ? round_to_bfloat16(x) : x; }
GRADSTEP_INLINE float operand(uint16_t x, bool) { return from_bfloat16(x); }

GRADSTEP_INLINE void put(float& to, float x) { to = x; }
GRADSTEP_INLINE void put(uint16_t& to, float x) { to = bfloat16_bits(x); }

GRADSTEP_INLINE uint32_t bits_of(float x) { return bfloat16_bits(x); }
GRADSTEP_INLINE uint32_t bits_of(uint16_t x) { return x; }

// Asks for what lies behind n elements of a row: the next head's, which are packed next and lie too far apart for the
// processor to ask for them itself.
template <typename From>
GRADSTEP_INLINE void fetch_next_head(const From* row, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(From);
  for (int64_t c = 0; c < n; c += kLine) __builtin_prefetch(row + n + c, 0, 2);
}

template <typename From>
GRADSTEP_VECTORISED void pack_floats(float* to, int64_t to_row, const From* from, const Rows& r, bool bfloat16) {
  for (int64_t i = 0; i < r.rows; i++) {
    fetch_next_head(from + i * r.stride, r.n);
    for (int64_t c = 0; c < r.n; c++) to[i * to_row + c] = operand(from[i * r.stride + c], bfloat16);
    for (int64_t c = r.n; c < to_row; c++) to[i * to_row + c] = 0.f;
  }
}

template <typename From>
GRADSTEP_VECTORISED void pack_float_lanes(float* to, const From* from, const Rows& r, float factor, bool bfloat16) {
  for (int64_t i = 0; i < r.rows; i++) {
    for (int64_t c = 0; c < r.n; c++) to[c * kQueries + i] = operand(from[i * r.stride + c], bfloat16) * factor;
  }
  for (int64_t i = r.rows; i < kQueries; i++) {
    for (int64_t c = 0; c < r.n; c++) to[c * kQueries + i] = 0.f;
  }
}

// A row of n as pairs_of(n) words.
void pair_along(uint16_t* to, const float* from, int64_t n) { to_bfloat16(to, from, n); }
void pair_along(uint16_t* to, const uint16_t* from, int64_t n) { memcpy(to, from, n * sizeof *to); }

// Two rows of n, of which the second may be missing, as words.
template <typename From>
GRADSTEP_VECTORISED void pair_across(uint32_t* to, const From* first, const From* second, int64_t n) {
  if (!second) {
    for (int64_t c = 0; c < n; c++) to[c] = bits_of(first[c]);
    return;
  }
  for (int64_t c = 0; c < n; c++) to[c] = bits_of(first[c]) | bits_of(second[c]) << 16;
}

template <typename From>
void pack_pairs_along_rows(uint16_t* to, const From* from, const Rows& r) {
  const int64_t to_row = 2 * pairs_of(r.n);
  for (int64_t i = 0; i < r.rows; i++, to += to_row) {
    fetch_next_head(from + i * r.stride, r.n);
    pair_along(to, from + i * r.stride, r.n);
    if (r.n < to_row) to[r.n] = 0;
  }
}

template <typename From>
void pack_pairs_along_columns(uint32_t* to, int64_t to_row, const From* from, const Rows& r) {
  for (int64_t i = 0; i < r.rows; i += 2, to += to_row) {
    const From *first = from + i * r.stride, *second = i + 1 < r.rows ? first + r.stride : nullptr;
    fetch_next_head(first, r.n);
    if (second) fetch_next_head(second, r.n);
    pair_across(to, first, second, r.n);
    for (int64_t c = r.n; c < to_row; c++) to[c] = 0;
  }
}

template <typename From>
GRADSTEP_VECTORISED void pack_pair_lanes(uint32_t* to, const From* from, const Rows& r) {
  const int64_t words = pairs_of(r.n);
  for (int64_t i = 0; i < kQueries; i++) {
    const From* row = from + i * r.stride;
    for (int64_t w = 0; w < words; w++) {
      const bool some = i < r.rows, both = some && 2 * w + 1 < r.n;
      to[w * kQueries + i] = (some ? bits_of(row[2 * w]) : 0) | (both ? bits_of(row[2 * w + 1]) << 16 : 0);
    }
  }
}

template <typename To>
GRADSTEP_VECTORISED void unpack_lanes(To* to, const Rows& r, const float* from, const float* factors) {
  for (int64_t i = 0; i < r.rows; i++) {
    for (int64_t c = 0; c < r.n; c++) put(to[i * r.stride + c], from[c * kQueries + i] * factors[i]);
  }
}

GRADSTEP_VECTORISED void draw_keep(float* keep, const int32_t* state, uint32_t stream, float rate, uint64_t row,
                                   uint64_t group, uint64_t groups, int64_t rows) {
  const float scale = 1.f / (1.f - rate);
  for (int64_t j = 0; j < rows; j += kAttentionWords, group++) {
    for (int64_t i = 0; i < kQueries; i += kRandomLanes) {
      uint32_t words[kRandomBlock];
      draw_words(words, attention_draw(row + i, group, groups), groups, state, stream);
      for (int k = 0; k < kAttentionWords; k++) {
        for (int l = 0; l < kRandomLanes; l++) {
          keep[(j + k) * kQueries + i + l] = attention_keep(words[k * kRandomLanes + l], rate, scale);
        }
      }
    }
  }
}

}  // namespace

void pack_along_rows(const Shape& s, float* to, const Rows& from) {
  typed(from.of, [&](const auto* x) {
    if (s.in_pairs) {
      pack_pairs_along_rows(reinterpret_cast<uint16_t*>(to), x + from.at, from);
    } else {
      pack_floats(to, from.n, x + from.at, from, s.bfloat16);
    }
  });
}

void pack_along_columns(const Shape& s, float* to, int64_t to_row, const Rows& from) {
  typed(from.of, [&](const auto* x) {
    if (s.in_pairs) {
      pack_pairs_along_columns(reinterpret_cast<uint32_t*>(to), to_row, x + from.at, from);
    } else {
      pack_floats(to, to_row, x + from.at, from, s.bfloat16);
    }
  });
}

void pack_lanes(const Shape& s, float* to, const Rows& from, float factor) {
  typed(from.of, [&](const auto* x) {
    if (s.in_pairs) {
      pack_pair_lanes(reinterpret_cast<uint32_t*>(to), x + from.at, from);
    } else {
      pack_float_lanes(to, x + from.at, from, factor, s.bfloat16);
    }
  });
}

const float* tile_over_rows(const Shape& s, float* tile, int64_t n, float* words) {
  if (s.in_pairs) {
    pack_row_pairs(words, tile, kQueries, n);
    return words;
  }
  if (s.bfloat16) round_to_bfloat16(tile, tile, n * kQueries);
  return tile;
}

const float* tile_over_lanes(const Shape& s, float* tile, int64_t n, float* words) {
  if (s.in_pairs) {
    to_bfloat16(reinterpret_cast<uint16_t*>(words), tile, n * kQueries);
    return words;
  }
  if (s.bfloat16) round_to_bfloat16(tile, tile, n * kQueries);
  return tile;
}

void unpack_lanes(const Rows& to, const float* from, const float* factors) {
  typed(to.of, [&](auto* y) { unpack_lanes(y + to.at, to, from, factors); });
}

void finish_scores(const Shape& s, float* scores, int64_t pair, int64_t query, int64_t key, int64_t rows) {
  if (s.in_pairs) scale(scores, s.scale, rows * kQueries);  // a query times that would be rounded
  const int64_t lanes = std::min(kQueries, s.queries - query);
  if (s.bias) {
    const float* bias = s.bias + pair / s.heads * s.bias_batch + pair % s.heads * s.bias_head + query * s.keys + key;
    for (int64_t i = 0; i < lanes; i++) {
      for (int64_t j = 0; j < rows; j++) scores[j * kQueries + i] += bias[i * s.keys + j];
    }
  }
  if (s.mask) {
    const float* mask = s.mask + pair / s.heads * s.keys + key;
    for (int64_t j = 0; j < rows; j++) {
      if (mask[j] == 0.f) fill(scores + j * kQueries, -INFINITY, kQueries);
    }
  }
  if (s.causal) {
    for (int64_t j = std::max<int64_t>(0, query + 1 - key); j < rows; j++) {
      fill(scores + j * kQueries, -INFINITY, std::min(kQueries, key + j - query));
    }
  }
}

void draw_keep(const Shape& s, float* keep, int64_t pair, int64_t query, int64_t key, int64_t rows) {
  const uint64_t groups = (s.keys + kAttentionWords - 1) / kAttentionWords;
  draw_keep(keep, s.state, s.stream, s.rate, pair * s.queries + query, key / kAttentionWords, groups, rows);
}

GRADSTEP_VECTORISED void multiply_tile(float* x, const float* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n * kQueries; i++) x[i] *= y[i];
}

}  // namespace gradstep::cpu::attend
