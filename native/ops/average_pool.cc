// averagePool on the CPU, channels last: one position at a time, vectorised over channels; padding is not counted. The
// gradient gathers: each input position adds up its share of the windows that cover it.
#include "generated/args/average_pool.h"

#include "cpu/pool_geometry.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

template <typename From>
GRADSTEP_VECTORISED void add_numbers(float* __restrict y, const From* __restrict x, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] += widened(x[i]);
}

template <typename From>
GRADSTEP_VECTORISED void add_scaled(float* __restrict y, const From* __restrict x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] += factor * widened(x[i]);
}

int32_t count(PoolRange planes, PoolRange rows, PoolRange columns) {
  return (planes.end - planes.begin) * (rows.end - rows.begin) * (columns.end - columns.begin);
}

template <typename From, typename To>
void pool(const PoolGeometry& g, const From* x, To* y, int64_t begin, int64_t end) {
  each_position(y, g.c, begin, end, [&](float* to, int64_t at, int64_t c, int64_t n) {
    const PoolIndex of = window_at(g, at);
    const PoolRange planes = g.d.inside(of.d), rows = g.h.inside(of.h), columns = g.w.inside(of.w);
    fill(to, 0.f, n);
    for (int32_t d = planes.begin; d < planes.end; d++) {
      for (int32_t h = rows.begin; h < rows.end; h++) {
        const From* row = x + ((of.n * g.d.size + d) * g.h.size + h) * g.w.size * g.c + c;
        for (int32_t w = columns.begin; w < columns.end; w++) add_numbers(to, row + w * g.c, n);
      }
    }
    scale(to, 1.f / static_cast<float>(count(planes, rows, columns)), n);
  });
}

template <typename From, typename To>
void spread(const PoolGeometry& g, const From* dy, To* dx, int64_t begin, int64_t end) {
  each_position(dx, g.c, begin, end, [&](float* to, int64_t at, int64_t c, int64_t n) {
    const PoolIndex of = position_at(g, at);
    const PoolRange planes = g.d.covering(of.d), rows = g.h.covering(of.h), columns = g.w.covering(of.w);
    fill(to, 0.f, n);
    for (int32_t o = planes.begin; o < planes.end; o++) {
      for (int32_t p = rows.begin; p < rows.end; p++) {
        const From* row = dy + ((of.n * g.d.windows + o) * g.h.windows + p) * g.w.windows * g.c + c;
        for (int32_t q = columns.begin; q < columns.end; q++) {
          const float share = 1.f / static_cast<float>(count(g.d.inside(o), g.h.inside(p), g.w.inside(q)));
          add_scaled(to, row + q * g.c, share, n);
        }
      }
    }
  });
}

}  // namespace

Step average_pool(Prepare& prepare, const AveragePoolArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  return as_stored(args.x.dtype, [&](auto from) {
    return as_stored(args.y.dtype, [&](auto to) -> Step {
      return [g, parts, x = prepare.at<decltype(from)>(args.x), y = prepare.at<decltype(to)>(args.y)] {
        parallel_ranges(g.windows(), parts, 1, [&](int, int64_t begin, int64_t end) { pool(g, x, y, begin, end); });
      };
    });
  });
}

Step average_pool_dx(Prepare& prepare, const AveragePoolDxArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.dx, args.dy);
  const int parts = parts_of(args.dx.size(), prepare.threads());
  return as_stored(args.dy.dtype, [&](auto from) {
    return as_stored(args.dx.dtype, [&](auto to) -> Step {
      return [g, parts, dy = prepare.at<decltype(from)>(args.dy), dx = prepare.at<decltype(to)>(args.dx)] {
        parallel_ranges(g.positions(), parts, 1,
                        [&](int, int64_t begin, int64_t end) { spread(g, dy, dx, begin, end); });
      };
    });
  });
}

}  // namespace gradstep::cpu
