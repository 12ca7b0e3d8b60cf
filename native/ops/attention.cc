// attention on the CPU (cpu/attention_block.h). Threads split (batch, head, query block); a block of queries walks
// through the keys with a running maximum and sum. In bfloat16 the operands of the products are rounded as they are
// packed or made.
#include "generated/args/attention.h"

#include "cpu/attention_block.h"
#include "cpu/parallel.h"
#include "cpu/vector.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

using namespace attend;

// The running softmax of 32 queries.
struct Running {
  float max[kQueries], sum[kQueries], factor[kQueries];
};

// Scores become exponentials relative to the running maximum; `factor` is what earlier results shrink by.
GRADSTEP_VECTORISED void exponentials(float* scores, Running& state, int64_t rows) {
  float max[kQueries], sum[kQueries] = {};
  for (int i = 0; i < kQueries; i++) max[i] = state.max[i];
  for (int64_t j = 0; j < rows; j++) {
    for (int i = 0; i < kQueries; i++) max[i] = max[i] > scores[j * kQueries + i] ? max[i] : scores[j * kQueries + i];
  }
  for (int64_t j = 0; j < rows; j++) {
    float* row = scores + j * kQueries;
#pragma GCC ivdep
    for (int i = 0; i < kQueries; i++) {
      row[i] = scalar::exp(row[i] - max[i]);
      sum[i] += row[i];
    }
  }
  for (int i = 0; i < kQueries; i++) {
    state.factor[i] = scalar::exp(state.max[i] - max[i]);
    state.sum[i] = state.sum[i] * state.factor[i] + sum[i];
    state.max[i] = max[i];
  }
}

GRADSTEP_VECTORISED void multiply_lanes(float* x, const float* y, int64_t n) {
  for (int64_t r = 0; r < n; r++) {
#pragma GCC ivdep
    for (int i = 0; i < kQueries; i++) x[r * kQueries + i] *= y[i];
  }
}

int64_t forward_floats(const Shape& s) {
  return padded(s.keys * s.words(s.depth)) + padded(s.words(s.keys) * s.width) +
         (s.words(s.depth) + s.width) * kQueries + 3 * kTile;
}

// One block of queries of one pair; k is packed along its rows, v along its columns.
void attend_block(const Shape& s, int64_t pair, int64_t query, const float* k, const float* v, float* memory,
                  const Stored& y, float* lse) {
  Cutter cut(memory);
  const int64_t depth = s.words(s.depth);
  float* lanes = cut.take(depth * kQueries);
  float* sums = cut.take(s.width * kQueries);
  float *scores = cut.take(kTile), *keep = cut.take(kTile), *words = cut.take(kTile);
  const int64_t rows = std::min(kQueries, s.queries - query), row = s.heads * s.depth;
  const int64_t q_at = s.origin(pair, s.queries, s.depth) + query * row;
  pack_lanes(s, lanes, {s.q, q_at, row, rows, s.depth}, s.scale);
  fill(sums, 0.f, s.width * kQueries);
  Running state;
  fill(state.max, -1e30f, kQueries);
  fill(state.sum, 0.f, kQueries);
  for (int64_t key = 0; key < s.seen(query); key += kKeys) {
    const int64_t n = std::min(kKeys, s.seen(query) - key);
    multiply(s, {scores, kQueries, k + key * depth, depth, 1, lanes, kQueries, n, kQueries, depth, false});
    finish_scores(s, scores, pair, query, key, n);
    exponentials(scores, state, n);
    if (s.rate > 0) {
      draw_keep(s, keep, pair, query, key, n);
      multiply_tile(scores, keep, n);
    }
    const float* weights = tile_over_rows(s, scores, n, words);
    if (key > 0) multiply_lanes(sums, state.factor, s.width);
    const float* values = v + s.words(key) * s.width;
    multiply(s, {sums, kQueries, values, 1, s.width, weights, kQueries, s.width, kQueries, s.words(n), true});
  }
  float factors[kQueries];
  for (int64_t i = 0; i < kQueries; i++) factors[i] = state.sum[i] > 0.f ? 1.f / state.sum[i] : state.sum[i];
  const int64_t out = s.heads * s.width;
  unpack_lanes({y, s.origin(pair, s.queries, s.width) + query * out, out, rows, s.width}, sums, factors);
  for (int64_t i = 0; i < rows; i++) {
    lse[pair * s.queries + query + i] = state.sum[i] > 0.f ? state.max[i] + scalar::log(state.sum[i]) : state.sum[i];
  }
}

}  // namespace

Step attention(Prepare& prepare, const AttentionArgs& args) {
  const Shape s = shape_of(prepare, args);
  const int64_t units = s.pairs() * s.query_blocks();
  const int64_t work = s.pairs() * s.queries * s.keys * (s.depth + s.width);
  const int parts = parts_of(work, static_cast<int>(std::min<int64_t>(prepare.threads(), units)), kWorkPerThread);
  const int64_t share = padded(forward_floats(s));
  float* memory = static_cast<float*>(prepare.workspace(parts * share * sizeof(float)));
  return [=, y = stored(prepare, args.y), lse = prepare.at(args.lse)] {
    parallel_ranges(units, parts, 1, [&](int part, int64_t begin, int64_t end) {
      Cutter cut(memory + part * share);
      float* k = cut.take(s.keys * s.words(s.depth));
      float *v = cut.take(s.words(s.keys) * s.width), *rest = cut.take(0);
      int64_t packed = -1;
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t pair = unit / s.query_blocks();
        if (pair != packed) {
          const int64_t k_at = s.origin(pair, s.keys, s.depth), v_at = s.origin(pair, s.keys, s.width);
          pack_along_rows(s, k, {s.k, k_at, s.heads * s.depth, s.keys, s.depth});
          pack_along_columns(s, v, s.width, {s.v, v_at, s.heads * s.width, s.keys, s.width});
          packed = pair;
        }
        attend_block(s, pair, unit % s.query_blocks() * kQueries, k, v, rest, y, lse);
      }
    });
  };
}

}  // namespace gradstep::cpu
