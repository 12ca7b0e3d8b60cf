// What attention and its gradient on the CPU have in common. Queries are worked on 32 at a time, side by side in vector
// lanes: scores, probabilities and sums of a block of 64 keys are rows of 32 numbers, so a softmax needs no sums across
// lanes. Only the blocks of queries are transposed for it. Operands of products are packed, as words: of float32, what
// is stored in bfloat16 being widened and, in bfloat16, the rest rounded; or, where the processor multiplies pairs of
// bfloat16, of two neighbours along the depth of the product (cpu/pair_panel.h).
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/pair_panel.h"
#include "cpu/panel.h"
#include "cpu/prepare.h"
#include "cpu/stored.h"
#include "cpu/tiles.h"

namespace gradstep::cpu::attend {

constexpr int64_t kQueries = 32;  // lanes of a block
constexpr int64_t kKeys = 64;     // rows of a block
constexpr int64_t kTile = kQueries * kKeys;
constexpr int64_t kWorkPerThread = 1 << 17;  // multiplications that repay a fork

inline int64_t padded(int64_t n) { return (n + kPanelLanes - 1) / kPanelLanes * kPanelLanes; }

struct Shape {
  int64_t batch, queries, keys, heads, depth, width;  // depth of q and k, width of v
  float scale, rate;
  uint32_t stream;
  bool causal, bfloat16;
  bool in_pairs;  // words are pairs of bfloat16
  Stored q, k, v;
  const float *mask, *bias;
  int64_t bias_batch, bias_head;  // floats from one to the next; 0 where it is the same for all
  const int32_t* state;

  // Words along a depth of n.
  int64_t words(int64_t n) const { return in_pairs ? pairs_of(n) : n; }
  int64_t query_blocks() const { return (queries + kQueries - 1) / kQueries; }
  int64_t key_blocks() const { return (keys + kKeys - 1) / kKeys; }
  int64_t pairs() const { return batch * heads; }
  // Keys that a block of queries sees.
  int64_t seen(int64_t query) const { return causal ? std::min(keys, query + kQueries) : keys; }
  // Elements to the first row of a pair in [batch, time, heads, n].
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
  s.in_pairs = s.bfloat16 && has_tiles();
  s.q = stored(prepare, args.q);
  s.k = stored(prepare, args.k);
  s.v = stored(prepare, args.v);
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

// Rows of n elements of a tensor from element `at` on, `stride` apart.
struct Rows {
  Stored of;
  int64_t at, stride, rows, n;
};

// Operands of products: words along each row, to [rows, words(n)]; or along each column, to [words(rows), to_row],
// zeros from n up to to_row.
void pack_along_rows(const Shape& s, float* to, const Rows& from);
void pack_along_columns(const Shape& s, float* to, int64_t to_row, const Rows& from);
// to [words(n), 32] = the transpose of up to 32 rows, times `factor` if words are float32; lanes without a row are
// zeros.
void pack_lanes(const Shape& s, float* to, const Rows& from, float factor);
// A tile [n, 32], which may be lost, as the second operand of a product whose depth are its rows, or the first of one
// whose depth are its lanes: itself, or `words`.
const float* tile_over_rows(const Shape& s, float* tile, int64_t n, float* words);
const float* tile_over_lanes(const Shape& s, float* tile, int64_t n, float* words);

// c of a panel of words.
inline void multiply(const Shape& s, const Panel& panel) {
  s.in_pairs ? multiply_pair_panel(panel) : multiply_panel(panel);
}

// The way back, of [n, 32], lane r times factors[r].
void unpack_lanes(const Rows& to, const float* from, const float* factors);

// What products of keys and pack_lanes(queries, scale) become to be scores [keys, 32]: with the bias, and without what
// is not seen.
void finish_scores(const Shape& s, float* scores, int64_t pair, int64_t query, int64_t key, int64_t rows);
// keep [keys, 32]: what each weight is multiplied by.
void draw_keep(const Shape& s, float* keep, int64_t pair, int64_t query, int64_t key, int64_t rows);
// x [n, 32] *= y.
void multiply_tile(float* x, const float* y, int64_t n);

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

}  // namespace gradstep::cpu::attend
