// columnSums on the CPU: rows in contiguous parts, each with float64 sums of its own in the workspace, added in order.
#include "generated/args/column_sums.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {
namespace {

struct Columns {
  const float* x;        // [rows, columns]
  const float* times;    // the same, or null
  const float* weights;  // [rows], or null
  int64_t columns;
};

// One column: 16 fixed lanes along the rows.
template <bool kTimes, bool kWeighted>
GRADSTEP_VECTORISED double column(const Columns& c, int64_t begin, int64_t end) {
  constexpr int kLanes = 16;
  const auto term = [&c](int64_t r) __attribute__((always_inline)) {
    double v = c.x[r];
    if (kTimes) v *= c.times[r];
    if (kWeighted) v *= c.weights[r];
    return v;
  };
  double lanes[kLanes] = {};
  int64_t r = begin;
  for (; r + kLanes <= end; r += kLanes) {
    for (int j = 0; j < kLanes; j++) lanes[j] += term(r + j);
  }
  double total = 0;
  for (int j = 0; j < kLanes; j++) total += lanes[j];
  for (; r < end; r++) total += term(r);
  return total;
}

template <bool kTimes, bool kWeighted>
GRADSTEP_VECTORISED void add_rows(double* sums, const Columns& c, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++) {
    const float* x = c.x + r * c.columns;
    const float* times = kTimes ? c.times + r * c.columns : nullptr;
    const double w = kWeighted ? c.weights[r] : 1.0;
#pragma GCC ivdep
    for (int64_t i = 0; i < c.columns; i++) {
      double v = x[i];
      if (kTimes) v *= times[i];
      if (kWeighted) v *= w;
      sums[i] += v;
    }
  }
}

template <bool kTimes, bool kWeighted>
void add_part(double* sums, const Columns& c, int64_t begin, int64_t end) {
  if (c.columns == 1) {
    sums[0] += column<kTimes, kWeighted>(c, begin, end);
  } else {
    add_rows<kTimes, kWeighted>(sums, c, begin, end);
  }
}

}  // namespace

Step column_sums(Prepare& prepare, const ColumnSumsArgs& args) {
  const Columns c{prepare.at(args.x), prepare.at(args.times), prepare.at(args.weights), args.columns};
  const int64_t rows = args.x.size() / c.columns;
  const int parts = static_cast<int>(std::min<int64_t>(rows, parts_of(args.x.size(), prepare.threads())));
  const auto add = c.times ? (c.weights ? add_part<true, true> : add_part<true, false>)
                           : (c.weights ? add_part<false, true> : add_part<false, false>);
  double* total = prepare.at<double>(args.total) + args.at;
  if (parts <= 1) return [=] { add(total, c, 0, rows); };
  double* partial = static_cast<double*>(prepare.workspace(sizeof(double) * c.columns * parts));
  return [=] {
    std::fill(partial, partial + c.columns * parts, 0.0);
    parallel_ranges(rows, parts, 1,
                    [&](int part, int64_t begin, int64_t end) { add(partial + part * c.columns, c, begin, end); });
    for (int part = 0; part < parts; part++) {
      for (int64_t i = 0; i < c.columns; i++) total[i] += partial[part * c.columns + i];
    }
  };
}

}  // namespace gradstep::cpu
