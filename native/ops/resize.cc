// resize and its gradient on the CPU, NHWC, a row at a time, one axis after the other: the rows a result lies between
// are blended whole, then the columns are picked from tables. The gradient goes the same way backwards: rows are
// gathered, then each column's numbers are handed back in order.
#include "ops/resize.h"

#include <cstring>
#include <memory>
#include <vector>

#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "generated/args/resize.h"

namespace gradstep::cpu {
namespace {

class Divide {
 public:
  Divide() = default;
  explicit Divide(uint32_t by) : by_(by) {}
  uint32_t quotient(uint32_t n) const { return n / by_; }

 private:
  uint32_t by_ = 1;
};
using Axis = ResizeAxis<Divide>;

// Pixels of at least this many channels are handled one by one, others as one run of elements.
constexpr int64_t kWide = 8;

// Taps of the columns: of elements where there are few channels, of pixels where there are many. Offsets in elements.
struct ColumnTaps {
  std::vector<int32_t> low, high;
  std::vector<float> share;

  ColumnTaps(const Axis& axis, int64_t channels) {
    const int64_t each = channels < kWide ? channels : 1;
    for (int32_t q = 0; q < axis.out; q++) {
      const ResizeTap tap = axis.tap(q);
      for (int64_t c = 0; c < each; c++) {
        low.push_back(static_cast<int32_t>(tap.low * channels + c));
        high.push_back(static_cast<int32_t>(tap.high * channels + c));
        share.push_back(tap.share);
      }
    }
  }
};

struct Resize {
  Axis rows, columns;
  ColumnTaps taps;
  const float* from;
  float* to;
  float* work;  // a row a part
  int64_t channels;

  int64_t large_row() const { return columns.out * channels; }
  int64_t source_row() const { return columns.size * channels; }
  bool same_columns() const { return columns.size == columns.out; }
};

// y = a + (b - a) share
GRADSTEP_VECTORISED void blend(float* __restrict y, const float* a, const float* b, float share, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = a[i] + (b[i] - a[i]) * share;
}

// y = factor x, or y += factor x.
GRADSTEP_VECTORISED void take(float* __restrict y, const float* __restrict x, float factor, bool adds, int64_t n) {
  if (adds) {
    for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = factor * x[i];
  }
}

GRADSTEP_VECTORISED void pick(float* __restrict y, const float* __restrict x, const int32_t* low, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = x[low[i]];
}

GRADSTEP_VECTORISED void pick_between(float* __restrict y, const float* __restrict x, const int32_t* low,
                                      const int32_t* high, const float* share, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = x[low[i]] + (x[high[i]] - x[low[i]]) * share[i];
}

// One row of results from one row of the source.
void pick_columns(const Resize& r, float* y, const float* x) {
  const ColumnTaps& t = r.taps;
  const int64_t n = static_cast<int64_t>(t.low.size());
  if (r.channels >= kWide) {
    for (int64_t q = 0; q < n; q++) {
      if (t.share[q] == 0.f) {
        std::memcpy(y + q * r.channels, x + t.low[q], r.channels * sizeof(float));
      } else {
        blend(y + q * r.channels, x + t.low[q], x + t.high[q], t.share[q], r.channels);
      }
    }
  } else if (r.columns.bilinear) {
    pick_between(y, x, t.low.data(), t.high.data(), t.share.data(), n);
  } else {
    pick(y, x, t.low.data(), n);
  }
}

// dx += what one row of dy gives back; dx is zero before.
void return_columns(const Resize& r, float* dx, const float* dy) {
  const ColumnTaps& t = r.taps;
  const int64_t n = static_cast<int64_t>(t.low.size());
  if (r.channels >= kWide) {
    for (int64_t q = 0; q < n; q++) {
      const float* share = dy + q * r.channels;
      take(dx + t.low[q], share, 1.f - t.share[q], true, r.channels);
      if (t.share[q] != 0.f) take(dx + t.high[q], share, t.share[q], true, r.channels);
    }
  } else if (r.columns.bilinear) {
    for (int64_t i = 0; i < n; i++) {
      dx[t.low[i]] += (1.f - t.share[i]) * dy[i];
      dx[t.high[i]] += t.share[i] * dy[i];
    }
  } else {
    for (int64_t i = 0; i < n; i++) dx[t.low[i]] += dy[i];
  }
}

// Rows of y [N, P, Q, C], numbered [begin, end).
void sample_rows(const Resize& r, int part, int64_t begin, int64_t end) {
  float* blended = r.work + part * r.source_row();
  const float* before = nullptr;  // the source row that the last row of y was copied from
  for (int64_t at = begin; at < end; at++) {
    const ResizeTap tap = r.rows.tap(static_cast<int32_t>(at % r.rows.out));
    const float* image = r.from + at / r.rows.out * r.rows.size * r.source_row();
    const float* row = image + tap.low * r.source_row();
    float* y = r.to + at * r.large_row();
    if (tap.share != 0.f) {
      float* to = r.same_columns() ? y : blended;
      blend(to, row, image + tap.high * r.source_row(), tap.share, r.source_row());
      if (!r.same_columns()) pick_columns(r, y, blended);
      before = nullptr;
    } else if (row == before) {
      std::memcpy(y, y - r.large_row(), r.large_row() * sizeof(float));
    } else {
      if (r.same_columns()) std::memcpy(y, row, r.large_row() * sizeof(float));
      if (!r.same_columns()) pick_columns(r, y, row);
      before = row;
    }
  }
}

// Rows of dx [N, H, W, C], numbered [begin, end).
void gather_rows(const Resize& r, int part, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const int32_t h = static_cast<int32_t>(at % r.rows.size);
    const float* image = r.from + at / r.rows.size * r.rows.out * r.large_row();
    float* dx = r.to + at * r.source_row();
    float* gathered = r.same_columns() ? dx : r.work + part * r.large_row();
    bool adds = false;
    for (int32_t p = r.rows.begin(h), last = r.rows.end(h); p < last; p++) {
      const float share = Axis::share_of(r.rows.tap(p), h);
      if (share == 0.f) continue;
      take(gathered, image + p * r.large_row(), share, adds, r.large_row());
      adds = true;
    }
    if (!adds || !r.same_columns()) fill(dx, 0.f, r.source_row());
    if (adds && !r.same_columns()) return_columns(r, dx, gathered);
  }
}

// `source` is the tensor sampled from, `result` the other.
Step resize_step(Prepare& prepare, const Tensor& source, const Tensor& result, bool bilinear, bool backward) {
  const Axis rows(source.dims[1], result.dims[1], bilinear), columns(source.dims[2], result.dims[2], bilinear);
  const int64_t channels = source.dims[3];
  if (channels * std::max(columns.size, columns.out) >= int64_t{1} << 31) {
    throw Error("ERR_SHAPE", "resize handles rows of fewer than 2^31 elements");
  }
  const Tensor &from = backward ? result : source, &to = backward ? source : result;
  const int parts = parts_of(std::max(source.size(), result.size()), prepare.threads());
  const int64_t work_row = (backward ? columns.out : columns.size) * channels;
  float* work = static_cast<float*>(prepare.workspace(parts * work_row * sizeof(float)));
  const auto r = std::make_shared<const Resize>(
      Resize{rows, columns, ColumnTaps(columns, channels), prepare.at(from), prepare.at(to), work, channels});
  const int64_t count = int64_t{to.dims[0]} * to.dims[1];
  return [r, parts, count, backward] {
    parallel_ranges(count, parts, 1, [&](int part, int64_t begin, int64_t end) {
      if (backward) gather_rows(*r, part, begin, end);
      if (!backward) sample_rows(*r, part, begin, end);
    });
  };
}

}  // namespace

Step resize(Prepare& prepare, const ResizeArgs& args) {
  return resize_step(prepare, args.x, args.y, args.interpolation == ResizeArgs::kInterpolationBilinear, false);
}

Step resize_dx(Prepare& prepare, const ResizeDxArgs& args) {
  return resize_step(prepare, args.dx, args.dy, args.interpolation == ResizeDxArgs::kInterpolationBilinear, true);
}

}  // namespace gradstep::cpu
