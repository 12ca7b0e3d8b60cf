// reduceSum on the CPU: rows of adjacent elements (inner 1) in fixed lanes; otherwise whole rows of `inner` elements
// are added up, a run of kRun at a time so that float32 sums stay short. Work is split over outer and inner, or over
// the length where those are small, and parts are added in order. x is widened where it is read.
#include "generated/args/reduce_sum.h"

#include "cpu/bfloat16.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRun = 64;       // rows added in one go
constexpr int64_t kColumns = 256;  // columns a thread works on at a time
constexpr int kMaxParts = 64;

template <typename T>
struct Reduction {
  const T* x;      // [outer, length, inner], float32 or the bits of bfloat16
  float* y;        // [outer, inner]
  float* partial;  // [parts, inner], where the length is split
  int64_t outer, length, inner;
  float scale;
  bool accumulate;
  int threads;
};

GRADSTEP_VECTORISED void add_rows(float* __restrict y, const float* __restrict x, int64_t rows, int64_t stride,
                                  int64_t n) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < n; i++) y[i] += x[r * stride + i];
  }
}

GRADSTEP_VECTORISED void add_rows(float* __restrict y, const uint16_t* __restrict x, int64_t rows, int64_t stride,
                                  int64_t n) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < n; i++) y[i] += from_bfloat16(x[r * stride + i]);
  }
}

// y[0..n) = Σ of `rows` rows that lie `stride` apart, n <= kColumns.
template <typename T>
void sum_columns(float* y, const T* x, int64_t rows, int64_t stride, int64_t n) {
  float run[kColumns];
  fill(y, 0.f, n);
  for (int64_t r = 0; r < rows; r += kRun) {
    fill(run, 0.f, n);
    add_rows(run, x + r * stride, std::min(kRun, rows - r), stride, n);
    add(y, run, n);
  }
}

template <typename T>
void store(const Reduction<T>& r, float* y, const float* sums, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = (r.accumulate ? y[i] : 0.f) + r.scale * sums[i];
}

template <typename T>
void rows(const Reduction<T>& r) {
  parallel_ranges(r.outer, parts_of(r.outer * r.length, r.threads), 16, [&](int, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float total = static_cast<float>(sum(r.x + i * r.length, r.length));
      store(r, r.y + i, &total, 1);
    }
  });
}

template <typename T>
void columns(const Reduction<T>& r) {
  const int64_t blocks = (r.inner + kColumns - 1) / kColumns;
  // Narrower blocks where there would be fewer than threads.
  const int64_t width = blocks * r.outer >= r.threads ? kColumns : std::max<int64_t>(16, r.inner / r.threads / 16 * 16);
  const int64_t per_row = (r.inner + width - 1) / width;
  const int parts = parts_of(r.outer * r.length * r.inner, r.threads);
  parallel_ranges(r.outer * per_row, parts, 1, [&](int, int64_t begin, int64_t end) {
    float sums[kColumns];
    for (int64_t b = begin; b < end; b++) {
      const int64_t o = b / per_row, at = b % per_row * width;
      const int64_t n = std::min(width, r.inner - at);
      sum_columns(sums, r.x + o * r.length * r.inner + at, r.length, r.inner, n);
      store(r, r.y + o * r.inner + at, sums, n);
    }
  });
}

// Few columns and a long way down: the length is split, each part sums its own.
template <typename T>
void split_columns(const Reduction<T>& r, int parts) {
  for (int64_t o = 0; o < r.outer; o++) {
    const T* x = r.x + o * r.length * r.inner;
    parallel_ranges(r.length, parts, kRun, [&](int part, int64_t begin, int64_t end) {
      sum_columns(r.partial + part * r.inner, x + begin * r.inner, end - begin, r.inner, r.inner);
    });
    for (int part = 1; part < parts; part++) add(r.partial, r.partial + part * r.inner, r.inner);
    store(r, r.y + o * r.inner, r.partial, r.inner);
  }
}

// One long row: likewise.
template <typename T>
void split_row(const Reduction<T>& r, int parts) {
  for (int64_t o = 0; o < r.outer; o++) {
    double sums[kMaxParts] = {};
    parallel_ranges(r.length, parts, 4096, [&](int part, int64_t begin, int64_t end) {
      sums[part] = sum(r.x + o * r.length + begin, end - begin);
    });
    double total = 0;
    for (int part = 0; part < parts; part++) total += sums[part];
    const float rounded = static_cast<float>(total);
    store(r, r.y + o, &rounded, 1);
  }
}

template <typename T>
Step reduce(Prepare& prepare, const ReduceSumArgs& args) {
  Reduction<T> r{prepare.at<T>(args.x),  prepare.at(args.y), nullptr, args.outer, args.length, args.inner, args.scale,
                 args.accumulate_y != 0, prepare.threads()};
  const int parts = std::min(kMaxParts, parts_of(r.length * r.inner, r.threads));
  const bool few = r.outer < r.threads && parts > 1;
  if (r.inner == 1) {
    if (few) return [r, parts] { split_row(r, parts); };
    return [r] { rows(r); };
  }
  if (few && r.inner <= kColumns && r.length >= 4 * kRun * parts) {
    r.partial = static_cast<float*>(prepare.workspace(parts * r.inner * sizeof(float)));
    return [r, parts] { split_columns(r, parts); };
  }
  return [r] { columns(r); };
}

}  // namespace

Step reduce_sum(Prepare& prepare, const ReduceSumArgs& args) {
  return args.x.dtype == DType::kBfloat16 ? reduce<uint16_t>(prepare, args) : reduce<float>(prepare, args);
}

}  // namespace gradstep::cpu
