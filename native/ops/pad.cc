// pad on the CPU: y's rows (its last axis) are zeros, a piece of x's row, zeros; or zeros alone. Accumulating adds the
// piece and leaves the rest as it is. What is stored differently in y is converted on the way.
#include "generated/args/pad.h"

#include <iterator>

#include "cpu/element.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {
namespace {

struct Window {
  int last;                  // axis
  int64_t x_dims[kMaxRank];  // x[i] lies at y[i + before]
  int64_t y_dims[kMaxRank];
  int64_t before[kMaxRank];
  bool accumulate;

  // Rows that follow one another along the axis before the last are a run. Which run of x the rows of run `run` of y
  // come from, or −1: they are zeros.
  int64_t source(int64_t run) const {
    int64_t from = 0, stride = 1;
    for (int axis = last - 2; axis >= 0; axis--) {
      const int64_t at = run % y_dims[axis] - before[axis];
      run /= y_dims[axis];
      if (at < 0 || at >= x_dims[axis]) return -1;
      from += at * stride;
      stride *= x_dims[axis];
    }
    return from;
  }
};

// Elements [begin, end) of a row of y, `from` being x's row.
template <typename To, typename From>
void write_row(const Window& w, To* y, const From* x, int64_t begin, int64_t end) {
  const int64_t first = w.before[w.last];
  const int64_t inside = x == nullptr ? end : std::clamp(first, begin, end);
  const int64_t outside = x == nullptr ? end : std::clamp(first + w.x_dims[w.last], inside, end);
  if (w.accumulate) {
    if (inside < outside) add_elements(y + inside, x + inside - first, outside - inside);
    return;
  }
  zero_elements(y + begin, inside - begin);
  copy_elements(y + inside, x + (inside < outside ? inside - first : 0), outside - inside);
  zero_elements(y + outside, end - outside);
}

}  // namespace

Step pad(Prepare& prepare, const PadArgs& args) {
  const int32_t before[] = {args.before0, args.before1, args.before2, args.before3, args.before4, args.before5};
  static_assert(std::size(before) == kMaxRank, "one an axis");
  Window w{};
  w.last = args.y.rank - 1;
  w.accumulate = args.accumulate_y != 0;
  for (int i = 0; i <= w.last; i++) {
    w.x_dims[i] = args.x.dims[i];
    w.y_dims[i] = args.y.dims[i];
    w.before[i] = before[i];
  }
  const int64_t size = args.y.size(), n = w.y_dims[w.last], x_n = w.x_dims[w.last];
  const bool runs = w.last > 0;
  const int64_t run = runs ? w.y_dims[w.last - 1] : 1, x_run = runs ? w.x_dims[w.last - 1] : 1;
  const int64_t shift = runs ? w.before[w.last - 1] : 0;
  const int parts = parts_of(size, prepare.threads());
  return with_elements(args.y, args.x, [&](auto to, auto from) -> Step {
    return [=, x = prepare.at<decltype(from)>(args.x), y = prepare.at<decltype(to)>(args.y)] {
      // Ranges of elements, not of rows: there may be one row only.
      parallel_ranges(size, parts, 16, [&](int, int64_t begin, int64_t end) {
        for (int64_t row = begin / n; row * n < end;) {
          const int64_t source = w.source(row / run);
          for (int64_t place = row % run; place < run && row * n < end; place++, row++) {
            const int64_t at = place - shift;
            const bool inside = source >= 0 && at >= 0 && at < x_run;
            write_row(w, y + row * n, inside ? x + (source * x_run + at) * x_n : nullptr,
                      std::max<int64_t>(0, begin - row * n), std::min(n, end - row * n));
          }
        }
      });
    };
  });
}

}  // namespace gradstep::cpu
