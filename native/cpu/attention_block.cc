// See attention_block.h.
#include "cpu/attention_block.h"

#include <cmath>

#include "cpu/bfloat16.h"
#include "cpu/parallel.h"
#include "cpu/vector.h"
#include "ops/attention.h"

namespace gradstep::cpu::attend {
namespace {

// What a product multiplies instead of x.
GRADSTEP_INLINE float operand(float x, bool bfloat16) { return bfloat16 ? round_to_bfloat16(x) : x; }
GRADSTEP_INLINE float operand(uint16_t x, bool) { return from_bfloat16(x); }

GRADSTEP_INLINE void put(float& to, float x) { to = x; }
GRADSTEP_INLINE void put(uint16_t& to, float x) { to = bfloat16_bits(x); }

template <typename From>
GRADSTEP_VECTORISED void pack_rows(float* to, int64_t to_row, const From* from, const Rows& r, bool bfloat16) {
  for (int64_t i = 0; i < r.rows; i++) {
    for (int64_t c = 0; c < r.n; c++) to[i * to_row + c] = operand(from[i * r.stride + c], bfloat16);
    for (int64_t c = r.n; c < to_row; c++) to[i * to_row + c] = 0.f;
  }
}

template <typename From>
GRADSTEP_VECTORISED void pack_lanes(float* to, const From* from, const Rows& r, float factor, bool bfloat16) {
  for (int64_t i = 0; i < r.rows; i++) {
    for (int64_t c = 0; c < r.n; c++) to[c * kQueries + i] = operand(from[i * r.stride + c], bfloat16) * factor;
  }
  for (int64_t i = r.rows; i < kQueries; i++) {
    for (int64_t c = 0; c < r.n; c++) to[c * kQueries + i] = 0.f;
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
    uint32_t words[kAttentionWords][kQueries];
    for (int i = 0; i < kQueries; i++) {
      const Philox4 w = attention_words(row + i, group, groups, state, stream);
      for (int k = 0; k < kAttentionWords; k++) words[k][i] = w.w[k];
    }
    const uint32_t* word = &words[0][0];
    for (int i = 0; i < kAttentionWords * kQueries; i++) {
      keep[j * kQueries + i] = attention_keep(word[i], rate, scale);
    }
  }
}

}  // namespace

void pack_rows(float* to, int64_t to_row, const Rows& from, bool bfloat16) {
  typed(from.of, [&](const auto* x) { pack_rows(to, to_row, x + from.at, from, bfloat16); });
}

void pack_lanes(float* to, const Rows& from, float factor, bool bfloat16) {
  typed(from.of, [&](const auto* x) { pack_lanes(to, x + from.at, from, factor, bfloat16); });
}

void unpack_lanes(const Rows& to, const float* from, const float* factors) {
  typed(to.of, [&](auto* y) { unpack_lanes(y + to.at, to, from, factors); });
}

void restrict_scores(const Shape& s, float* scores, int64_t pair, int64_t query, int64_t key, int64_t rows) {
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

void round_tile(const Shape& s, float* x, int64_t n) {
  if (s.bfloat16) round_to_bfloat16(x, x, n * kQueries);
}

}  // namespace gradstep::cpu::attend
