// The gradient of attention on the CPU (cpu/attention_block.h): probabilities are worked out again from the logarithms
// of their denominators. Threads split (batch, head) and, where there are fewer of those than threads, the keys; parts
// of dq are then added up in order. In bfloat16 the operands of the products are rounded as in attention.cc.
#include <cstring>

#include "cpu/attention_block.h"
#include "cpu/bfloat16.h"
#include "cpu/parallel.h"
#include "cpu/vector.h"
#include "generated/args/attention.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

using namespace attend;

struct Gradient {
  Shape s;
  Stored y, dy;
  const float* lse;
  Stored dq, dk, dv;
  int64_t splits;  // of the keys of a pair
  float* partial;  // [splits, batch, queries, heads, depth]: dq of each split, where there are several

  int64_t split_begin(int64_t split) const { return std::min(s.keys, s.key_blocks() * split / splits * kKeys); }
  int64_t most_keys() const { return (s.key_blocks() + splits - 1) / splits * kKeys; }
  int64_t floats() const {
    const int64_t keys = most_keys(), depth = padded(s.depth), width = padded(s.width);
    return padded(keys * s.words(s.depth)) + padded(keys * s.words(s.width)) + padded(s.words(keys) * s.depth) +
           keys * (depth + width) + kQueries * (depth + width + 2 * s.depth + s.width) + 4 * kTile;
  }
};

// p = e^(scores - lse), lane by lane.
GRADSTEP_VECTORISED void probabilities(float* scores, const float* lse, int64_t rows) {
  for (int64_t j = 0; j < rows; j++) {
    float* row = scores + j * kQueries;
#pragma GCC ivdep
    for (int i = 0; i < kQueries; i++) row[i] = scalar::exp(row[i] - lse[i]);
  }
}

// ds = p (dp - delta) scale, in place of dp.
GRADSTEP_VECTORISED void score_gradients(float* dp, const float* p, const float* delta, float scale, int64_t rows) {
  for (int64_t j = 0; j < rows; j++) {
    float* row = dp + j * kQueries;
    const float* weights = p + j * kQueries;
#pragma GCC ivdep
    for (int i = 0; i < kQueries; i++) row[i] = weights[i] * (row[i] - delta[i]) * scale;
  }
}

template <typename X, typename Y>
GRADSTEP_VECTORISED float dot(const X* x, const Y* y, int64_t n) {
  float lanes[16] = {}, total = 0;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; j++) lanes[j] += widened(x[i + j]) * widened(y[i + j]);
  }
  for (int j = 0; j < 16; j++) total += lanes[j];
  for (; i < n; i++) total += widened(x[i]) * widened(y[i]);
  return total;
}

// delta = dy·y, of `rows` rows from element `at` on.
void make_delta(const Gradient& g, float* delta, int64_t at, int64_t row, int64_t rows) {
  typed(g.dy, [&](const auto* dy) {
    typed(g.y, [&](const auto* y) {
      for (int64_t i = 0; i < rows; i++) delta[i] = dot(dy + at + i * row, y + at + i * row, g.s.width);
    });
  });
}

// Rows of n floats, `from_row` apart, as results.
void store_rows(const Rows& to, const float* from, int64_t from_row) {
  for (int64_t r = 0; r < to.rows; r++) {
    const int64_t at = to.at + r * to.stride;
    if (to.of.narrow()) {
      to_bfloat16(to.of.as_bfloat16(at), from + r * from_row, to.n);
    } else {
      std::memcpy(to.of.as_float32(at), from + r * from_row, to.n * sizeof(float));
    }
  }
}

// Gradients of one pair and the keys of one split.
void attend_dx(const Gradient& g, int64_t pair, int64_t split, float* memory) {
  const Shape& s = g.s;
  const int64_t first = g.split_begin(split), count = g.split_begin(split + 1) - first;
  const int64_t depth = padded(s.depth), width = padded(s.width);
  const int64_t depth_words = s.words(s.depth), width_words = s.words(s.width), lane_words = s.words(kQueries);
  const int64_t q_row = s.heads * s.depth, v_row = s.heads * s.width;
  Cutter cut(memory);
  float *k = cut.take(count * depth_words), *v = cut.take(count * width_words);
  float* k_columns = s.in_pairs ? cut.take(s.words(count) * s.depth) : k;
  float *dk = cut.take(count * depth), *dv = cut.take(count * width);
  float *q = cut.take(lane_words * depth), *dy = cut.take(lane_words * width);
  float *q_lanes = cut.take(kQueries * depth_words), *dy_lanes = cut.take(kQueries * width_words);
  float* dq_lanes = cut.take(kQueries * s.depth);
  float *p = cut.take(kTile), *dp = cut.take(kTile), *keep = cut.take(kTile), *words = cut.take(kTile);
  const int64_t k_at = s.origin(pair, s.keys, s.depth) + first * q_row;
  const int64_t v_at = s.origin(pair, s.keys, s.width) + first * v_row;
  const int64_t q_at = s.origin(pair, s.queries, s.depth), y_at = s.origin(pair, s.queries, s.width);
  const Stored dq = g.splits > 1 ? Stored{g.partial + split * s.batch * s.queries * q_row} : g.dq;
  pack_along_rows(s, k, {s.k, k_at, q_row, count, s.depth});
  pack_along_rows(s, v, {s.v, v_at, v_row, count, s.width});
  if (s.in_pairs) pack_along_columns(s, k_columns, s.depth, {s.k, k_at, q_row, count, s.depth});
  fill(dk, 0.f, count * depth);
  fill(dv, 0.f, count * width);
  for (int64_t query = 0; query < s.queries; query += kQueries) {
    const int64_t rows = std::min(kQueries, s.queries - query);
    const Rows q_rows{s.q, q_at + query * q_row, q_row, rows, s.depth};
    const Rows dy_rows{g.dy, y_at + query * v_row, v_row, rows, s.width};
    pack_along_columns(s, q, depth, q_rows);
    pack_along_columns(s, dy, width, dy_rows);
    pack_lanes(s, q_lanes, q_rows, s.scale);
    pack_lanes(s, dy_lanes, dy_rows, 1.f);
    fill(dq_lanes, 0.f, kQueries * s.depth);
    float lse[kQueries] = {}, delta[kQueries] = {}, ones[kQueries];
    fill(ones, 1.f, kQueries);
    std::memcpy(lse, g.lse + pair * s.queries + query, rows * sizeof(float));
    make_delta(g, delta, dy_rows.at, v_row, rows);
    const int64_t seen = std::min(count, s.seen(query) - first);
    for (int64_t key = 0; key < seen; key += kKeys) {
      const int64_t n = std::min(kKeys, seen - key);
      multiply(s, {p, kQueries, k + key * depth_words, depth_words, 1, q_lanes, kQueries, n, kQueries, depth_words});
      multiply(s, {dp, kQueries, v + key * width_words, width_words, 1, dy_lanes, kQueries, n, kQueries, width_words});
      finish_scores(s, p, pair, query, first + key, n);
      probabilities(p, lse, n);
      if (s.rate > 0) {
        draw_keep(s, keep, pair, query, first + key, n);
        multiply_tile(dp, keep, n);
      }
      score_gradients(dp, p, delta, s.scale, n);
      if (s.rate > 0) multiply_tile(p, keep, n);
      const int64_t lanes = s.words(rows);
      const float* weights = tile_over_lanes(s, p, n, words);
      multiply(s, {dv + key * width, width, weights, lane_words, 1, dy, width, n, width, lanes, true});
      const float* over_lanes = tile_over_lanes(s, dp, n, words);
      multiply(s, {dk + key * depth, depth, over_lanes, lane_words, 1, q, depth, n, depth, lanes, true});
      const float *over_rows = tile_over_rows(s, dp, n, words), *keys = k_columns + s.words(key) * s.depth;
      multiply(s, {dq_lanes, kQueries, keys, 1, s.depth, over_rows, kQueries, s.depth, kQueries, s.words(n), true});
    }
    unpack_lanes({dq, q_at + query * q_row, q_row, rows, s.depth}, dq_lanes, ones);
  }
  store_rows({g.dk, k_at, q_row, count, s.depth}, dk, depth);
  store_rows({g.dv, v_at, v_row, count, s.width}, dv, width);
}

}  // namespace

Step attention_dx(Prepare& prepare, const AttentionDxArgs& args) {
  Gradient g{};
  g.s = shape_of(prepare, args);
  g.y = stored(prepare, args.y);
  g.lse = prepare.at(args.lse);
  g.dy = stored(prepare, args.dy);
  g.dq = stored(prepare, args.dq);
  g.dk = stored(prepare, args.dk);
  g.dv = stored(prepare, args.dv);
  const int64_t pairs = g.s.pairs(), size = args.dq.size();
  const int64_t work = pairs * g.s.queries * g.s.keys * (3 * g.s.depth + 2 * g.s.width);
  const int threads = parts_of(work, prepare.threads(), kWorkPerThread);
  g.splits = std::min((threads + pairs - 1) / pairs, g.s.key_blocks());
  const int64_t units = pairs * g.splits;
  const int parts = static_cast<int>(std::min<int64_t>(threads, units));
  const int64_t share = padded(g.floats()), partial = g.splits > 1 ? padded(g.splits * size) : 0;
  float* memory = static_cast<float*>(prepare.workspace((parts * share + partial) * sizeof(float)));
  g.partial = memory + parts * share;
  const int sum_parts = parts_of(size, prepare.threads());
  return [=] {
    parallel_ranges(units, parts, 1, [&](int part, int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        attend_dx(g, unit / g.splits, unit % g.splits, memory + part * share);
      }
    });
    if (g.splits == 1) return;
    parallel_ranges(size, sum_parts, kPanelLanes, [&](int, int64_t begin, int64_t end) {
      float* sums = g.partial + begin;
      for (int64_t split = 1; split < g.splits; split++) add(sums, sums + split * size, end - begin);
      store_rows({g.dq, begin, 0, 1, end - begin}, sums, 0);
    });
  };
}

}  // namespace gradstep::cpu
