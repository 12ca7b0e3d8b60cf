// layer_norm and its gradient on the CPU, a row at a time while it lies in the cache. Sums run in fixed lanes; the
// variance is taken around a first mean and corrected by what that was off, so nothing cancels. Each thread adds up
// dgamma and dbeta over its rows, in float32 for kRun rows, then in float64; threads are added in order.
#include "generated/args/layer_norm.h"

#include <cmath>

#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int kLanes = 16;
constexpr int64_t kRun = 64;  // rows whose shares of dgamma are added in float32

inline float total(float* lanes) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

struct Pair {
  float first, second;
};

// Sums of term(i).first and .second over i < n.
template <typename Term>
inline __attribute__((always_inline)) Pair sum_pairs(int64_t n, Term term) {
  float first[kLanes] = {}, second[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; j++) {
      const Pair p = term(i + j);
      first[j] += p.first;
      second[j] += p.second;
    }
  }
  for (int64_t j = 0; j < n - i; j++) {
    const Pair p = term(i + j);
    first[j] += p.first;
    second[j] += p.second;
  }
  return {total(first), total(second)};
}

GRADSTEP_VECTORISED Pair deviations(const float* x, float from, int64_t n) {
  return sum_pairs(n, [=](int64_t i) {
    const float d = x[i] - from;
    return Pair{d, d * d};
  });
}

GRADSTEP_VECTORISED void write_row(float* y, const float* x, const float* gamma, const float* beta, float mean,
                                   float rstd, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * gamma[i] + beta[i];
}

// Sums of gamma dy and of gamma dy (x - mean).
GRADSTEP_VECTORISED Pair products(const float* x, const float* dy, const float* gamma, float mean, int64_t n) {
  return sum_pairs(n, [=](int64_t i) {
    const float g = gamma[i] * dy[i];
    return Pair{g, g * (x[i] - mean)};
  });
}

GRADSTEP_VECTORISED void write_gradient(float* dx, const float* x, const float* dy, const float* gamma, float mean,
                                        float rstd, float slope, float offset, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = rstd * gamma[i] * dy[i] + (slope * (x[i] - mean) + offset);
}

// The same, and the row's share of dgamma and dbeta.
GRADSTEP_VECTORISED void write_gradients(float* dx, float* __restrict dgamma, float* __restrict dbeta, const float* x,
                                         const float* dy, const float* gamma, float mean, float rstd, float slope,
                                         float offset, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    const float d = x[i] - mean, g = dy[i];
    dgamma[i] += g * (d * rstd);
    dbeta[i] += g;
    dx[i] = rstd * gamma[i] * g + (slope * d + offset);
  }
}

GRADSTEP_VECTORISED void flush(double* to, float* from, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    to[i] += from[i];
    from[i] = 0.f;
  }
}

struct RowStatistics {
  float mean, rstd;
  RowStatistics(const float* x, int64_t n, bool rms, float epsilon) : mean(0.f) {
    double variance;
    if (rms) {
      variance = deviations(x, 0.f, n).second / static_cast<double>(n);
    } else {
      const float first = static_cast<float>(sum(x, n) / static_cast<double>(n));
      const Pair d = deviations(x, first, n);
      const double off = d.first / static_cast<double>(n);
      mean = static_cast<float>(first + off);
      variance = d.second / static_cast<double>(n) - off * off;
    }
    rstd = static_cast<float>(1 / std::sqrt((variance < 0 ? 0 : variance) + epsilon));
  }
};

struct Gradient {
  const float *x, *dy, *gamma, *mean, *rstd;
  float* dx;
  int64_t length;
  bool rms;

  // Rows begin…end; the part's dgamma and dbeta go to totals [2, length], by way of runs [2, length]; null: not wanted.
  void rows(int64_t begin, int64_t end, const float* weights, double* totals, float* runs) const {
    if (totals) {
      std::fill_n(totals, 2 * length, 0.);
      std::fill_n(runs, 2 * length, 0.f);
    }
    for (int64_t r = begin; r < end; r++) {
      const float *xr = x + r * length, *dyr = dy + r * length;
      const float m = rms ? 0.f : mean[r], s = rstd[r], n = static_cast<float>(length);
      const Pair p = products(xr, dyr, weights, m, length);
      const float slope = -s * s * s * p.second / n, offset = rms ? 0.f : -s * p.first / n;
      if (!totals) {
        write_gradient(dx + r * length, xr, dyr, weights, m, s, slope, offset, length);
        continue;
      }
      write_gradients(dx + r * length, runs, runs + length, xr, dyr, weights, m, s, slope, offset, length);
      if ((r - begin) % kRun == kRun - 1 || r + 1 == end) flush(totals, runs, 2 * length);
    }
  }
};

}  // namespace

Step layer_norm(Prepare& prepare, const LayerNormArgs& args) {
  const int64_t n = args.length, rows = args.x.size() / n;
  const int parts = parts_of(args.x.size(), prepare.threads());
  const bool rms = args.kind == LayerNormArgs::kKindRms;
  float* defaults = static_cast<float*>(prepare.workspace(2 * n * sizeof(float)));
  return
      [=, epsilon = args.epsilon, x = prepare.at(args.x), gamma = prepare.at(args.gamma), beta = prepare.at(args.beta),
       y = prepare.at(args.y), mean = prepare.at(args.mean), rstd = prepare.at(args.rstd)] {
        if (!gamma) fill(defaults, 1.f, n);
        if (!beta) fill(defaults + n, 0.f, n);
        const float *weights = gamma ? gamma : defaults, *shifts = beta ? beta : defaults + n;
        parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; r++) {
            const RowStatistics s(x + r * n, n, rms, epsilon);
            write_row(y + r * n, x + r * n, weights, shifts, s.mean, s.rstd, n);
            if (mean) mean[r] = s.mean;
            rstd[r] = s.rstd;
          }
        });
      };
}

Step layer_norm_grad(Prepare& prepare, const LayerNormGradArgs& args) {
  const Gradient f{prepare.at(args.x),
                   prepare.at(args.dy),
                   prepare.at(args.gamma),
                   prepare.at(args.mean),
                   prepare.at(args.rstd),
                   prepare.at(args.dx),
                   args.length,
                   args.kind == LayerNormGradArgs::kKindRms};
  const int64_t n = args.length, rows = args.x.size() / n;
  const int parts = static_cast<int>(std::min<int64_t>(rows, parts_of(args.x.size(), prepare.threads())));
  float *dgamma = prepare.at(args.dgamma), *dbeta = prepare.at(args.dbeta);
  const int64_t sums = dgamma ? parts * 2 * n : 0;
  double* totals = static_cast<double*>(prepare.workspace(sums * (sizeof(double) + sizeof(float)) + n * sizeof(float)));
  float* runs = reinterpret_cast<float*>(totals + sums);
  return [=, ones = runs + sums] {
    if (!f.gamma) fill(ones, 1.f, n);
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      double* own = dgamma ? totals + part * 2 * n : nullptr;
      f.rows(begin, end, f.gamma ? f.gamma : ones, own, runs + part * 2 * n);
    });
    if (!dgamma) return;
    for (int64_t i = 0; i < n; i++) {
      double scale = 0, shift = 0;
      for (int part = 0; part < parts; part++) {
        scale += totals[part * 2 * n + i];
        shift += totals[part * 2 * n + n + i];
      }
      dgamma[i] = static_cast<float>(scale);
      dbeta[i] = static_cast<float>(shift);
    }
  };
}

}  // namespace gradstep::cpu
