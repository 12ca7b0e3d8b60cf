// resize and its gradient on the CPU, NHWC, a row at a time, one axis after the other: the rows a result lies between
// are blended whole, then the columns are picked from tables. The gradient goes the same way backwards: rows are
// gathered, then each column's numbers are handed back in order. Rows that are stored in bfloat16 are widened, or made
// in float32, beside.
#include "ops/resize.h"

#include <cstring>
#include <memory>
#include <vector>

#include "core/error.h"
#include "cpu/prepare.h"
#include "cpu/stored_window.h"
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
  Stored from, to;
  float* work;  // for each part: a row between both steps, two that are read and one that is made
  int64_t work_row, channels;

  int64_t large_row() const { return columns.out * channels; }
  int64_t source_row() const { return columns.size * channels; }
  bool same_columns() const { return columns.size == columns.out; }
  float* row_of(int part, int row) const { return work + (part * 4 + row) * work_row; }
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
  const int64_t n = r.source_row(), large = r.large_row();
  float *blended = r.row_of(part, 0), *made = r.row_of(part, 3);
  int64_t before = -1;  // the source row that the last row of y was copied from
  for (int64_t at = begin; at < end; at++) {
    const ResizeTap tap = r.rows.tap(static_cast<int32_t>(at % r.rows.out));
    const int64_t image = at / r.rows.out * r.rows.size;
    if (tap.share == 0.f && image + tap.low == before) {
      const int64_t bytes = large * r.to.element_bytes();
      char* y = static_cast<char*>(r.to.at) + at * bytes;
      std::memcpy(y, y - bytes, bytes);
      continue;
    }
    const Piece whole{at * large, 1, large, large};
    const float* row = load_piece(r.row_of(part, 1), r.from, {(image + tap.low) * n, 1, n, n});
    float* y = place_piece(made, r.to, whole);
    if (tap.share != 0.f) {
      float* to = r.same_columns() ? y : blended;
      blend(to, row, load_piece(r.row_of(part, 2), r.from, {(image + tap.high) * n, 1, n, n}), tap.share, n);
      row = to;
      before = -1;
    } else {
      if (r.same_columns()) std::memcpy(y, row, large * sizeof(float));
      before = image + tap.low;
    }
    if (!r.same_columns()) pick_columns(r, y, row);
    store_piece(made, r.to, whole);
  }
}

// Rows of dx [N, H, W, C], numbered [begin, end).
void gather_rows(const Resize& r, int part, int64_t begin, int64_t end) {
  const int64_t n = r.source_row(), large = r.large_row();
  for (int64_t at = begin; at < end; at++) {
    const int32_t h = static_cast<int32_t>(at % r.rows.size);
    const int64_t image = at / r.rows.size * r.rows.out;
    const Piece whole{at * n, 1, n, n};
    float *made = r.row_of(part, 3), *dx = place_piece(made, r.to, whole);
    float* gathered = r.same_columns() ? dx : r.row_of(part, 0);
    bool adds = false;
    for (int32_t p = r.rows.begin(h), last = r.rows.end(h); p < last; p++) {
      const float share = Axis::share_of(r.rows.tap(p), h);
      if (share == 0.f) continue;
      const float* dy = load_piece(r.row_of(part, 1), r.from, {(image + p) * large, 1, large, large});
      take(gathered, dy, share, adds, large);
      adds = true;
    }
    if (!adds || !r.same_columns()) fill(dx, 0.f, n);
    if (adds && !r.same_columns()) return_columns(r, dx, gathered);
    store_piece(made, r.to, whole);
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
  const int64_t work_row = std::max(columns.out, columns.size) * channels;
  float* work = static_cast<float*>(prepare.workspace(parts * 4 * work_row * sizeof(float)));
  const auto r =
      std::make_shared<const Resize>(Resize{rows, columns, ColumnTaps(columns, channels), stored(prepare, from),
                                            stored(prepare, to), work, work_row, channels});
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
