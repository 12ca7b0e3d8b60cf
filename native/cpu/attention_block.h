// What attention and its gradient on the CPU have in common. Queries are worked on 32 at a time, side by side in vector
// lanes: scores, probabilities and sums of a block of 64 keys are rows of 32 numbers, so a softmax needs no sums across
// lanes. Only the blocks of queries are transposed for it. Everything is float32 once it is packed: what is stored in
// bfloat16 is widened then, and in bfloat16 operands of products that are not stored so are rounded.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/panel.h"
#include "cpu/prepare.h"
#include "cpu/stored.h"

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
  Stored q, k, v;
  const float *mask, *bias;
  int64_t bias_batch, bias_head;  // floats from one to the next; 0 where it is the same for all
  const int32_t* state;

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

// to [rows, to_row] = operands of products; zeros up to to_row.
void pack_rows(float* to, int64_t to_row, const Rows& from, bool bfloat16);
// to [n, 32] = the transpose of up to 32 rows of operands, times `factor`; lanes without a row are zeros.
void pack_lanes(float* to, const Rows& from, float factor, bool bfloat16);
// The way back, of [n, 32], lane r times factors[r].
void unpack_lanes(const Rows& to, const float* from, const float* factors);

// Adds the bias to scores [keys, 32] and takes out what is not seen.
void restrict_scores(const Shape& s, float* scores, int64_t pair, int64_t query, int64_t key, int64_t rows);
// keep [keys, 32]: what each weight is multiplied by.
void draw_keep(const Shape& s, float* keep, int64_t pair, int64_t query, int64_t key, int64_t rows);
// x [n, 32] *= y.
void multiply_tile(float* x, const float* y, int64_t n);
// Weights or gradients [n, 32] as operands of a product.
void round_tile(const Shape& s, float* x, int64_t n);

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
