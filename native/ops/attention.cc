// attention on the CPU. Queries are worked on 32 at a time, side by side in vector lanes: scores, probabilities and
// sums of a block of 64 keys are rows of 32 numbers, so a softmax needs no sums across lanes. Only the blocks of
// queries are transposed for it. Forward: threads split (batch, head, query block). Gradient: threads split (batch,
// head) and, where there are fewer of those than threads, the keys; parts of dq are then added up in order. In
// bfloat16 the operands of the products are rounded as they are packed or made, and multiplied as float32.
#include "generated/args/attention.h"

#include <cmath>
#include <cstring>

#include "cpu/bfloat16.h"
#include "cpu/panel.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/random_block.h"
#include "cpu/vector.h"
#include "ops/attention.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kQueries = 32;  // lanes of a block
constexpr int64_t kKeys = 64;     // rows of a block
constexpr int64_t kTile = kQueries * kKeys;
constexpr int64_t kWorkPerThread = 1 << 17;  // multiplications that repay a fork

int64_t padded(int64_t n) { return (n + kPanelLanes - 1) / kPanelLanes * kPanelLanes; }

struct Shape {
  int64_t batch, queries, keys, heads, depth, width;  // depth of q and k, width of v
  float scale, rate;
  uint32_t stream;
  bool causal, bfloat16;
  const float *q, *k, *v, *mask, *bias;
  int64_t bias_batch, bias_head;  // floats from one to the next; 0 where it is the same for all
  const int32_t* state;

  int64_t query_blocks() const { return (queries + kQueries - 1) / kQueries; }
  int64_t key_blocks() const { return (keys + kKeys - 1) / kKeys; }
  int64_t pairs() const { return batch * heads; }
  // Keys that a block of queries sees.
  int64_t seen(int64_t query) const { return causal ? std::min(keys, query + kQueries) : keys; }
  // Floats to the first row of a pair in [batch, time, heads, n].
  int64_t origin(int64_t pair, int64_t time, int64_t n) const {
    return (pair / heads * time * heads + pair % heads) * n;
  }
};

template <typename Args>
Shape shape_of(Prepare& prepare, const Args& args) {
  Shape s{};
  s.batch = args.q.dims[0];
  s.queries = args.q.dims[1];
  s.heads = args.q.dims[2];
  s.depth = args.q.dims[3];
  s.keys = args.k.dims[1];
  s.width = args.v.dims[3];
  s.scale = args.scale;
  s.rate = args.rate;
  s.stream = args.stream;
  s.causal = args.causal == Args::kCausalYes;
  s.bfloat16 = args.precision == Args::kPrecisionBfloat16;
  s.q = prepare.at(args.q);
  s.k = prepare.at(args.k);
  s.v = prepare.at(args.v);
  s.mask = prepare.at(args.mask);
  s.bias = prepare.at(args.bias);
  if (s.bias) {
    const int64_t matrix = s.queries * s.keys;
    s.bias_head = args.bias.dims[1] > 1 ? matrix : 0;
    s.bias_batch = args.bias.dims[0] > 1 ? matrix * args.bias.dims[1] : 0;
  }
  s.state = prepare.template at<int32_t>(args.state);
  return s;
}

// What a product multiplies instead of x.
inline float operand(float x, bool bfloat16) { return bfloat16 ? round_to_bfloat16(x) : x; }

// to [n, to_row] = operands `from_row` apart; zeros up to to_row.
GRADSTEP_VECTORISED void pack_rows(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows,
                                   int64_t n, bool bfloat16) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < n; c++) to[r * to_row + c] = operand(from[r * from_row + c], bfloat16);
    for (int64_t c = n; c < to_row; c++) to[r * to_row + c] = 0.f;
  }
}

// to [n, 32] = the transpose of up to 32 rows of operands, times `factor`; lanes without a row are zeros.
GRADSTEP_VECTORISED void pack_lanes(float* to, const float* from, int64_t from_row, int64_t rows, int64_t n,
                                    float factor, bool bfloat16) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < n; c++) to[c * kQueries + r] = operand(from[r * from_row + c], bfloat16) * factor;
  }
  for (int64_t r = rows; r < kQueries; r++) {
    for (int64_t c = 0; c < n; c++) to[c * kQueries + r] = 0.f;
  }
}

// The way back: rows of n from [n, 32], lane r times factors[r].
GRADSTEP_VECTORISED void unpack_lanes(float* to, int64_t to_row, const float* from, int64_t rows, int64_t n,
                                      const float* factors) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < n; c++) to[r * to_row + c] = from[c * kQueries + r] * factors[r];
  }
}

// Adds the bias to scores [keys, 32] and takes out what is not seen.
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

// keep [keys, 32]: what each weight is multiplied by.
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

void draw_keep(const Shape& s, float* keep, int64_t pair, int64_t query, int64_t key, int64_t rows) {
  const uint64_t groups = (s.keys + kAttentionWords - 1) / kAttentionWords;
  draw_keep(keep, s.state, s.stream, s.rate, pair * s.queries + query, key / kAttentionWords, groups, rows);
}

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

// x [n, 32] *= y, either a tile as large or one row.
GRADSTEP_VECTORISED void multiply_tile(float* x, const float* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n * kQueries; i++) x[i] *= y[i];
}

GRADSTEP_VECTORISED void multiply_lanes(float* x, const float* y, int64_t n) {
  for (int64_t r = 0; r < n; r++) {
#pragma GCC ivdep
    for (int i = 0; i < kQueries; i++) x[r * kQueries + i] *= y[i];
  }
}

// Weights or gradients [n, 32] as operands of a product.
void round_tile(const Shape& s, float* x, int64_t n) {
  if (s.bfloat16) round_to_bfloat16(x, x, n * kQueries);
}

// Memory of one thread, cut into arrays.
class Cutter {
 public:
  explicit Cutter(float* at) : at_(at) {}
  float* take(int64_t floats) {
    float* taken = at_;
    at_ += padded(floats);
    return taken;
  }

 private:
  float* at_;
};

int64_t forward_floats(const Shape& s) {
  return padded(s.keys * s.depth) + padded(s.keys * s.width) + (s.depth + s.width) * kQueries + 2 * kTile;
}

// One block of queries of one pair; k [keys, depth] and v [keys, width] are packed.
void attend(const Shape& s, int64_t pair, int64_t query, const float* k, const float* v, float* memory, float* y,
            float* lse) {
  Cutter cut(memory);
  float* lanes = cut.take(s.depth * kQueries);
  float* sums = cut.take(s.width * kQueries);
  float *scores = cut.take(kTile), *keep = cut.take(kTile);
  const int64_t rows = std::min(kQueries, s.queries - query), row = s.heads * s.depth;
  pack_lanes(lanes, s.q + s.origin(pair, s.queries, s.depth) + query * row, row, rows, s.depth, s.scale, s.bfloat16);
  fill(sums, 0.f, s.width * kQueries);
  Running state;
  fill(state.max, -1e30f, kQueries);
  fill(state.sum, 0.f, kQueries);
  for (int64_t key = 0; key < s.seen(query); key += kKeys) {
    const int64_t n = std::min(kKeys, s.seen(query) - key);
    multiply_panel({scores, kQueries, k + key * s.depth, s.depth, 1, lanes, kQueries, n, kQueries, s.depth, false});
    restrict_scores(s, scores, pair, query, key, n);
    exponentials(scores, state, n);
    if (s.rate > 0) {
      draw_keep(s, keep, pair, query, key, n);
      multiply_tile(scores, keep, n);
    }
    round_tile(s, scores, n);
    if (key > 0) multiply_lanes(sums, state.factor, s.width);
    multiply_panel({sums, kQueries, v + key * s.width, 1, s.width, scores, kQueries, s.width, kQueries, n, true});
  }
  float factors[kQueries];
  for (int64_t i = 0; i < kQueries; i++) factors[i] = state.sum[i] > 0.f ? 1.f / state.sum[i] : state.sum[i];
  const int64_t out = s.heads * s.width;
  unpack_lanes(y + s.origin(pair, s.queries, s.width) + query * out, out, sums, rows, s.width, factors);
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
  return [=, y = prepare.at(args.y), lse = prepare.at(args.lse)] {
    parallel_ranges(units, parts, 1, [&](int part, int64_t begin, int64_t end) {
      Cutter cut(memory + part * share);
      float *k = cut.take(s.keys * s.depth), *v = cut.take(s.keys * s.width), *rest = cut.take(0);
      int64_t packed = -1;
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t pair = unit / s.query_blocks();
        if (pair != packed) {
          pack_rows(k, s.depth, s.k + s.origin(pair, s.keys, s.depth), s.heads * s.depth, s.keys, s.depth, s.bfloat16);
          pack_rows(v, s.width, s.v + s.origin(pair, s.keys, s.width), s.heads * s.width, s.keys, s.width, s.bfloat16);
          packed = pair;
        }
        attend(s, pair, unit % s.query_blocks() * kQueries, k, v, rest, y, lse);
      }
    });
  };
}

namespace {

struct Gradient {
  Shape s;
  const float *y, *lse, *dy;
  float *dq, *dk, *dv;
  int64_t splits;  // of the keys of a pair
  float* partial;  // [splits, batch, queries, heads, depth]: dq of each split, where there are several

  int64_t split_begin(int64_t split) const { return std::min(s.keys, s.key_blocks() * split / splits * kKeys); }
  int64_t most_keys() const { return (s.key_blocks() + splits - 1) / splits * kKeys; }
  int64_t floats() const {
    const int64_t keys = most_keys(), depth = padded(s.depth), width = padded(s.width);
    return padded(keys * s.depth) + padded(keys * s.width) + keys * (depth + width) +
           kQueries * (depth + width + 2 * s.depth + s.width) + 3 * kTile;
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

GRADSTEP_VECTORISED float dot(const float* x, const float* y, int64_t n) {
  float lanes[16] = {}, total = 0;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; j++) lanes[j] += x[i + j] * y[i + j];
  }
  for (int j = 0; j < 16; j++) total += lanes[j];
  for (; i < n; i++) total += x[i] * y[i];
  return total;
}

// Gradients of one pair and the keys of one split.
void attend_dx(const Gradient& g, int64_t pair, int64_t split, float* memory) {
  const Shape& s = g.s;
  const int64_t first = g.split_begin(split), count = g.split_begin(split + 1) - first;
  const int64_t depth = padded(s.depth), width = padded(s.width);
  const int64_t q_row = s.heads * s.depth, v_row = s.heads * s.width;
  Cutter cut(memory);
  float *k = cut.take(count * s.depth), *v = cut.take(count * s.width);
  float *dk = cut.take(count * depth), *dv = cut.take(count * width);
  float *q = cut.take(kQueries * depth), *dy = cut.take(kQueries * width);
  float *q_lanes = cut.take(kQueries * s.depth), *dy_lanes = cut.take(kQueries * s.width);
  float* dq_lanes = cut.take(kQueries * s.depth);
  float *p = cut.take(kTile), *dp = cut.take(kTile), *keep = cut.take(kTile);
  const int64_t k_at = s.origin(pair, s.keys, s.depth) + first * q_row;
  const int64_t v_at = s.origin(pair, s.keys, s.width) + first * v_row;
  const int64_t q_at = s.origin(pair, s.queries, s.depth), y_at = s.origin(pair, s.queries, s.width);
  float* dq = g.splits > 1 ? g.partial + split * s.batch * s.queries * q_row : g.dq;
  pack_rows(k, s.depth, s.k + k_at, q_row, count, s.depth, s.bfloat16);
  pack_rows(v, s.width, s.v + v_at, v_row, count, s.width, s.bfloat16);
  fill(dk, 0.f, count * depth);
  fill(dv, 0.f, count * width);
  for (int64_t query = 0; query < s.queries; query += kQueries) {
    const int64_t rows = std::min(kQueries, s.queries - query);
    const float *q_rows = s.q + q_at + query * q_row, *dy_rows = g.dy + y_at + query * v_row;
    pack_rows(q, depth, q_rows, q_row, rows, s.depth, s.bfloat16);
    pack_rows(dy, width, dy_rows, v_row, rows, s.width, s.bfloat16);
    pack_lanes(q_lanes, q_rows, q_row, rows, s.depth, s.scale, s.bfloat16);
    pack_lanes(dy_lanes, dy_rows, v_row, rows, s.width, 1.f, s.bfloat16);
    fill(dq_lanes, 0.f, kQueries * s.depth);
    float lse[kQueries] = {}, delta[kQueries] = {}, ones[kQueries];
    fill(ones, 1.f, kQueries);
    for (int64_t i = 0; i < rows; i++) {
      lse[i] = g.lse[pair * s.queries + query + i];
      delta[i] = dot(dy_rows + i * v_row, g.y + y_at + (query + i) * v_row, s.width);
    }
    const int64_t seen = std::min(count, s.seen(query) - first);
    for (int64_t key = 0; key < seen; key += kKeys) {
      const int64_t n = std::min(kKeys, seen - key);
      multiply_panel({p, kQueries, k + key * s.depth, s.depth, 1, q_lanes, kQueries, n, kQueries, s.depth, false});
      multiply_panel({dp, kQueries, v + key * s.width, s.width, 1, dy_lanes, kQueries, n, kQueries, s.width, false});
      restrict_scores(s, p, pair, query, first + key, n);
      probabilities(p, lse, n);
      if (s.rate > 0) {
        draw_keep(s, keep, pair, query, first + key, n);
        multiply_tile(dp, keep, n);
      }
      score_gradients(dp, p, delta, s.scale, n);
      if (s.rate > 0) multiply_tile(p, keep, n);
      round_tile(s, p, n);
      round_tile(s, dp, n);
      multiply_panel({dv + key * width, width, p, kQueries, 1, dy, width, n, width, rows, true});
      multiply_panel({dk + key * depth, depth, dp, kQueries, 1, q, depth, n, depth, rows, true});
      multiply_panel({dq_lanes, kQueries, k + key * s.depth, 1, s.depth, dp, kQueries, s.depth, kQueries, n, true});
    }
    unpack_lanes(dq + q_at + query * q_row, q_row, dq_lanes, rows, s.depth, ones);
  }
  for (int64_t j = 0; j < count; j++) {
    std::memcpy(g.dk + k_at + j * q_row, dk + j * depth, s.depth * sizeof(float));
    std::memcpy(g.dv + v_at + j * v_row, dv + j * width, s.width * sizeof(float));
  }
}

}  // namespace

Step attention_dx(Prepare& prepare, const AttentionDxArgs& args) {
  Gradient g{};
  g.s = shape_of(prepare, args);
  g.y = prepare.at(args.y);
  g.lse = prepare.at(args.lse);
  g.dy = prepare.at(args.dy);
  g.dq = prepare.at(args.dq);
  g.dk = prepare.at(args.dk);
  g.dv = prepare.at(args.dv);
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
      std::memcpy(g.dq + begin, g.partial + begin, (end - begin) * sizeof(float));
      for (int64_t split = 1; split < g.splits; split++) {
        add(g.dq + begin, g.partial + split * size + begin, end - begin);
      }
    });
  };
}

}  // namespace gradstep::cpu
