// layer_norm and its gradient on the CPU, a row at a time while it lies in the cache. Sums run in fixed lanes; the
// variance is taken around a first mean and corrected by what that was off, so nothing cancels. Each thread adds up
// dgamma and dbeta over its rows, in float32 for kRun rows, then in float64; threads are added in order. Rows that are
// stored in bfloat16 are widened into a thread's buffer and rounded from one, a few at a time.
#include "generated/args/layer_norm.h"

#include <cmath>
#include <cstring>

#include "cpu/octet.h"
#include "cpu/prepare.h"
#include "cpu/stored_window.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRun = 64;  // rows whose shares of dgamma are added in float32

// 16 elements at once; the compiler makes of it what the processor has.
typedef float Lanes __attribute__((vector_size(64)));
constexpr int64_t kLanes = 16;

GRADSTEP_INLINE void load_lanes(Lanes& to, const float* from) { std::memcpy(&to, from, sizeof(Lanes)); }

GRADSTEP_INLINE float total(const Lanes& v) {
  const float even = ((v[0] + v[8]) + (v[4] + v[12])) + ((v[2] + v[10]) + (v[6] + v[14]));
  const float odd = ((v[1] + v[9]) + (v[5] + v[13])) + ((v[3] + v[11]) + (v[7] + v[15]));
  return even + odd;
}

// Sums of x - from and of its square.
GRADSTEP_INLINE void deviations(const float* x, float from, int64_t n, float& first, float& second) {
  Lanes sums = {}, squares = {}, v;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    load_lanes(v, x + i);
    const Lanes d = v - from;
    sums += d;
    squares += d * d;
  }
  first = total(sums);
  second = total(squares);
  for (; i < n; i++) {
    const float d = x[i] - from;
    first += d;
    second += d * d;
  }
}

// Sums of gamma dy and of gamma dy (x - mean).
GRADSTEP_INLINE void products(const float* x, const float* dy, const float* gamma, float mean, int64_t n, float& first,
                              float& second) {
  Lanes sums = {}, products = {}, v, g, weight;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    load_lanes(v, x + i);
    load_lanes(g, dy + i);
    load_lanes(weight, gamma + i);
    g *= weight;
    sums += g;
    products += g * (v - mean);
  }
  first = total(sums);
  second = total(products);
  for (; i < n; i++) {
    const float share = gamma[i] * dy[i];
    first += share;
    second += share * (x[i] - mean);
  }
}

struct Forward {
  const float *x, *gamma, *beta;  // gamma, beta: [length]
  float *y, *mean, *rstd;         // mean: or null, where nobody reads it
  bool centred;                   // not rms
  int64_t length;
  float epsilon;
};

GRADSTEP_VECTORISED void normalise_rows(const Forward& f, int64_t begin, int64_t end) {
  const int64_t n = f.length;
  const float share = 1.f / static_cast<float>(n);
  const float *gamma = f.gamma, *beta = f.beta;
  for (int64_t r = begin; r < end; r++) {
    const float* x = f.x + r * n;
    float* y = f.y + r * n;
    float first, second, mean = 0.f, off = 0.f;
    if (f.centred) {
      deviations(x, x[0], n, first, second);
      mean = x[0] + first * share;
    }
    deviations(x, mean, n, first, second);
    if (f.centred) off = first * share;
    const float variance = second * share - off * off;
    mean += off;
    const float rstd = 1.f / std::sqrt((variance < 0.f ? 0.f : variance) + f.epsilon);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * gamma[i] + beta[i];
    if (f.mean) f.mean[r] = mean;
    f.rstd[r] = rstd;
  }
}

// Rows of at most kShortRow, a block at a time (see cpu/octet.h).
GRADSTEP_VECTORISED void normalise_block(const Forward& f, int64_t begin, int64_t rows) {
  const int64_t n = f.length;
  const float share = 1.f / static_cast<float>(n);
  RowBlock in, out;
  float mean[kBlockRows] = {}, off[kBlockRows] = {}, rstd[kBlockRows];
  float gamma[kShortRow + kOctet] = {}, beta[kShortRow + kOctet] = {};
  std::memcpy(in.at, f.x + begin * n, rows * n * sizeof(float));
  std::memset(in.at + rows * n, 0, std::min(kOctet * n + kOctet, kRowBlock + kOctet - rows * n) * sizeof(float));
  std::memcpy(gamma, f.gamma, n * sizeof(float));
  std::memcpy(beta, f.beta, n * sizeof(float));
  if (f.centred) {
    for (int64_t r = 0; r < rows; r++) mean[r] = in.at[r * n];
    const auto deviation = [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
      load_octet(v, in.at + r * n + i);
      v -= mean[r];
    };
    fold_rows<OctetSum>(off, rows, n, deviation);
    for (int64_t r = 0; r < rows; r++) mean[r] += off[r] * share;
    fold_rows<OctetSum>(off, rows, n, deviation);
  }
  fold_rows<OctetSum>(rstd, rows, n, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    load_octet(v, in.at + r * n + i);
    v -= mean[r];
    v *= v;
  });
#pragma GCC ivdep
  for (int64_t r = 0; r < rows; r++) {
    const float moved = off[r] * share, variance = rstd[r] * share - moved * moved;
    mean[r] += moved;
    rstd[r] = 1.f / std::sqrt((variance < 0.f ? 0.f : variance) + f.epsilon);
  }
  each_row(out.at, rows, n, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    Octet scale, shift;
    load_octet(v, in.at + r * n + i);
    load_octet(scale, gamma + i);
    load_octet(shift, beta + i);
    v = (v - mean[r]) * rstd[r] * scale + shift;
  });
  std::memcpy(f.y + begin * n, out.at, rows * n * sizeof(float));
  std::memcpy(f.rstd + begin, rstd, rows * sizeof(float));
  if (f.mean) std::memcpy(f.mean + begin, mean, rows * sizeof(float));
}

void normalise(const Forward& f, int64_t begin, int64_t end) {
  if (f.length > kShortRow) return normalise_rows(f, begin, end);
  const int64_t block = rows_of_block(f.length);
  for (int64_t r = begin; r < end; r += block) normalise_block(f, r, std::min(block, end - r));
}

// How many rows of n elements are widened at once.
constexpr int64_t rows_at_once(int64_t n) {
  return n <= kShortRow ? rows_of_block(n) : std::max<int64_t>(1, Window::kSize / n);
}

// Room for so many rows in one thread's buffer of one tensor, not a power of two apart.
constexpr int64_t buffer_size(int64_t n) { return (rows_at_once(n) * n + 31) / 32 * 32 + 16; }

// The same for rows as they are stored; buffers has room for two tensors, where any is in bfloat16.
void normalise_stored(const Forward& f, const Stored& x, const Stored& y, int64_t begin, int64_t end, float* buffers) {
  const int64_t n = f.length, each = x.narrow() || y.narrow() ? rows_at_once(n) : end - begin;
  for (int64_t r = begin; r < end; r += each) {
    const Piece piece{r * n, std::min(each, end - r), n, n};
    Forward some = f;
    some.x = load_piece(buffers, x, piece);
    some.y = place_piece(buffers + buffer_size(n), y, piece);
    if (f.mean) some.mean += r;
    some.rstd += r;
    normalise(some, 0, piece.rows);
    store_piece(some.y, y, piece);
  }
}

struct Backward {
  const float *x, *dy, *gamma, *mean, *rstd;  // gamma: [length]; mean: null makes it rms
  float* dx;
  int64_t length;
};

// dx of rows begin…end. Their shares of dgamma and dbeta are added to sums [2, length]; null: not wanted.
template <bool kSums>
GRADSTEP_VECTORISED void gradient_rows(const Backward& f, int64_t begin, int64_t end, float* __restrict dgamma,
                                       float* __restrict dbeta) {
  const int64_t n = f.length;
  const float share = 1.f / static_cast<float>(n);
  const float* gamma = f.gamma;
  for (int64_t r = begin; r < end; r++) {
    const float *x = f.x + r * n, *dy = f.dy + r * n;
    float* dx = f.dx + r * n;
    const float mean = f.mean ? f.mean[r] : 0.f, rstd = f.rstd[r];
    float first, second;
    products(x, dy, gamma, mean, n, first, second);
    const float slope = -rstd * rstd * rstd * second * share, offset = f.mean ? -rstd * first * share : 0.f;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      const float d = x[i] - mean, g = dy[i];
      if constexpr (kSums) {
        dgamma[i] += g * (d * rstd);
        dbeta[i] += g;
      }
      dx[i] = rstd * gamma[i] * g + (slope * d + offset);
    }
  }
}

GRADSTEP_VECTORISED void flush(double* to, float* from, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    to[i] += from[i];
    from[i] = 0.f;
  }
}

// What of a layer's gradients is stored in either type.
struct StoredRows {
  Stored x, dy, dx;
  bool narrow() const { return x.narrow() || dy.narrow() || dx.narrow(); }
};

// The same for rows as they are stored; buffers has room for three tensors, where any is in bfloat16.
template <bool kSums>
void gradient_stored(const Backward& f, const StoredRows& tensors, int64_t begin, int64_t end, float* dgamma,
                     float* dbeta, float* buffers) {
  const int64_t n = f.length, each = tensors.narrow() ? rows_at_once(n) : end - begin, size = buffer_size(n);
  for (int64_t r = begin; r < end; r += each) {
    const Piece piece{r * n, std::min(each, end - r), n, n};
    Backward some = f;
    some.x = load_piece(buffers, tensors.x, piece);
    some.dy = load_piece(buffers + size, tensors.dy, piece);
    some.dx = place_piece(buffers + 2 * size, tensors.dx, piece);
    if (f.mean) some.mean += r;
    some.rstd += r;
    gradient_rows<kSums>(some, 0, piece.rows, dgamma, dbeta);
    store_piece(some.dx, tensors.dx, piece);
  }
}

// A part's rows; dgamma and dbeta go to totals [2, length] by way of runs [2, length].
void gradient_part(const Backward& f, const StoredRows& tensors, int64_t begin, int64_t end, double* totals,
                   float* runs, float* buffers) {
  const int64_t n = f.length;
  std::fill_n(totals, 2 * n, 0.);
  std::fill_n(runs, 2 * n, 0.f);
  for (int64_t r = begin; r < end; r += kRun) {
    gradient_stored<true>(f, tensors, r, std::min(end, r + kRun), runs, runs + n, buffers);
    flush(totals, runs, 2 * n);
  }
}

}  // namespace

Step layer_norm(Prepare& prepare, const LayerNormArgs& args) {
  const int64_t n = args.length, rows = args.x.size() / n;
  const int parts = parts_of(args.x.size(), prepare.threads());
  const Stored x = stored(prepare, args.x), y = stored(prepare, args.y);
  const int64_t own = x.narrow() || y.narrow() ? 2 * buffer_size(n) : 0;  // of a part
  float* buffers = static_cast<float*>(prepare.workspace((parts * own + 2 * n) * sizeof(float)));
  float* defaults = buffers + parts * own;
  const float *gamma = prepare.at(args.gamma), *beta = prepare.at(args.beta);
  const Forward f{nullptr,
                  gamma ? gamma : defaults,
                  beta ? beta : defaults + n,
                  nullptr,
                  prepare.at(args.mean),
                  prepare.at(args.rstd),
                  args.kind == LayerNormArgs::kKindStandard,
                  n,
                  args.epsilon};
  return [=] {
    if (!gamma) fill(defaults, 1.f, n);
    if (!beta) fill(defaults + n, 0.f, n);
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      normalise_stored(f, x, y, begin, end, buffers + part * own);
    });
  };
}

Step layer_norm_grad(Prepare& prepare, const LayerNormGradArgs& args) {
  const int64_t n = args.length, rows = args.x.size() / n;
  const int parts = static_cast<int>(std::min<int64_t>(rows, parts_of(args.x.size(), prepare.threads())));
  float *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
  const bool has_sums = dgamma || dbeta;
  const StoredRows tensors{stored(prepare, args.x), stored(prepare, args.dy), stored(prepare, args.dx)};
  const int64_t sums = has_sums ? parts * 2 * n : 0, own = tensors.narrow() ? 3 * buffer_size(n) : 0;
  const size_t sums_bytes = sums * (sizeof(double) + sizeof(float));
  float* buffers = static_cast<float*>(prepare.workspace((parts * own + n) * sizeof(float) + sums_bytes));
  double* totals = reinterpret_cast<double*>(buffers + parts * own);
  float* runs = reinterpret_cast<float*>(totals + sums);
  float* ones = runs + sums;
  const float* gamma = prepare.at(args.gamma);
  const Backward f{nullptr, nullptr, gamma ? gamma : ones, prepare.at(args.mean), prepare.at(args.rstd), nullptr, n};
  return [=] {
    if (!gamma) fill(ones, 1.f, n);
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      float* room = buffers + part * own;
      if (has_sums) {
        gradient_part(f, tensors, begin, end, totals + part * 2 * n, runs + part * 2 * n, room);
      } else {
        gradient_stored<false>(f, tensors, begin, end, nullptr, nullptr, room);
      }
    });
    if (!has_sums) return;
    for (int64_t i = 0; i < n; i++) {
      double scale = 0, shift = 0;
      for (int part = 0; part < parts; part++) {
        scale += totals[part * 2 * n + i];
        shift += totals[part * 2 * n + n + i];
      }
      if (dgamma) dgamma[i] = static_cast<float>(scale);
      if (dbeta) dbeta[i] = static_cast<float>(shift);
    }
  };
}

}  // namespace gradstep::cpu
