// histogram on the CPU: elements in contiguous parts, each with counts of its own in the workspace, added in order.
// Where counts are many and elements few, one part counts straight into the totals.
#include "ops/histogram.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "generated/args/histogram.h"

namespace gradstep::cpu {
namespace {

// Counts elements [begin, end); returns the first that counts nowhere, or end.
template <typename Column, typename Row>
int64_t count(double* cells, const Histogram<Column, Row>& h, int64_t begin, int64_t end) {
  int64_t wrong = end;
  for (int64_t i = begin; i < end; i++) {
    const auto e = h.entry(i);
    if (e.problem != kFlagNone) {
      wrong = std::min(wrong, i);
      continue;
    }
    cells[e.cell] += e.here;
    if (e.beyond != 0.f) cells[e.cell + h.columns] += e.beyond;
  }
  return wrong;
}

template <typename Column, typename Row>
Step histogram_step(Prepare& prepare, const HistogramArgs& args) {
  const int64_t n = args.column.size();
  const Histogram<Column, Row> h{prepare.at<Column>(args.column),
                                 prepare.at<Row>(args.row),
                                 prepare.at(args.weights),
                                 n,
                                 args.weights.present() ? n / args.weights.size() : 1,
                                 args.groups,
                                 args.rows,
                                 args.columns,
                                 args.place};
  const int64_t cells = h.cells();
  const int parts = parts_of(n, prepare.threads(), std::max(kGrain, 2 * cells));
  double* total = prepare.at<double>(args.total) + args.at;
  double* partial =
      parts > 1 ? static_cast<double*>(prepare.workspace(parts * (cells * sizeof(double) + sizeof(int64_t)))) : nullptr;
  return [=, state = prepare.at<int32_t>(args.state), flag = prepare.at<int32_t>(args.flag)] {
    int64_t wrong = n;
    if (parts <= 1) {
      wrong = count(total, h, 0, n);
    } else {
      int64_t* first_wrong = reinterpret_cast<int64_t*>(partial + parts * cells);
      std::fill(first_wrong, first_wrong + parts, n);
      parallel_ranges(n, parts, 1, [&](int part, int64_t begin, int64_t end) {
        double* own = partial + part * cells;
        std::fill(own, own + cells, 0.0);
        const int64_t found = count(own, h, begin, end);
        if (found < end) first_wrong[part] = found;
      });
      for (int part = 0; part < parts; part++) {
        wrong = std::min(wrong, first_wrong[part]);
        for (int64_t i = 0; i < cells; i++) total[i] += partial[part * cells + i];
      }
    }
    if (wrong < n) h.raise(flag, state, wrong, h.entry(wrong).problem);
  };
}

}  // namespace

Step histogram(Prepare& prepare, const HistogramArgs& args) {
  const bool whole_rows = args.row.present() && args.row.dtype == DType::kInt32;
  if (args.column.dtype == DType::kInt32) {
    return whole_rows ? histogram_step<int32_t, int32_t>(prepare, args) : histogram_step<int32_t, float>(prepare, args);
  }
  return whole_rows ? histogram_step<float, int32_t>(prepare, args) : histogram_step<float, float>(prepare, args);
}

}  // namespace gradstep::cpu
