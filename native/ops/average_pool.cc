// averagePool on the CPU, channels last: one position at a time, vectorised over channels; padding is not counted. The
// gradient gathers: each input position adds up its share of the windows that cover it.
#include "generated/args/average_pool.h"

#include "cpu/pool_geometry.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void add_scaled(float* __restrict y, const float* __restrict x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
}

int32_t count(Range planes, Range rows, Range columns) {
  return (planes.end - planes.begin) * (rows.end - rows.begin) * (columns.end - columns.begin);
}

void pool(const PoolGeometry& g, const float* x, float* y, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const PoolIndex of = window_at(g, at);
    const Range planes = g.d.inside(of.d), rows = g.h.inside(of.h), columns = g.w.inside(of.w);
    float* to = y + at * g.c;
    fill(to, 0.f, g.c);
    for (int32_t d = planes.begin; d < planes.end; d++) {
      for (int32_t h = rows.begin; h < rows.end; h++) {
        const float* row = x + ((of.n * g.d.size + d) * g.h.size + h) * g.w.size * g.c;
        for (int32_t w = columns.begin; w < columns.end; w++) add(to, row + w * g.c, g.c);
      }
    }
    scale(to, 1.f / static_cast<float>(count(planes, rows, columns)), g.c);
  }
}

void spread(const PoolGeometry& g, const float* dy, float* dx, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const PoolIndex of = position_at(g, at);
    const Range planes = g.d.covering(of.d), rows = g.h.covering(of.h), columns = g.w.covering(of.w);
    float* to = dx + at * g.c;
    fill(to, 0.f, g.c);
    for (int32_t o = planes.begin; o < planes.end; o++) {
      for (int32_t p = rows.begin; p < rows.end; p++) {
        const float* row = dy + ((of.n * g.d.windows + o) * g.h.windows + p) * g.w.windows * g.c;
        for (int32_t q = columns.begin; q < columns.end; q++) {
          const float share = 1.f / static_cast<float>(count(g.d.inside(o), g.h.inside(p), g.w.inside(q)));
          add_scaled(to, row + q * g.c, share, g.c);
        }
      }
    }
  }
}

}  // namespace

Step average_pool(Prepare& prepare, const AveragePoolArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  return [g, parts, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(g.windows(), parts, 1, [&](int, int64_t begin, int64_t end) { pool(g, x, y, begin, end); });
  };
}

Step average_pool_dx(Prepare& prepare, const AveragePoolDxArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.dx, args.dy);
  const int parts = parts_of(args.dx.size(), prepare.threads());
  return [g, parts, dy = prepare.at(args.dy), dx = prepare.at(args.dx)] {
    parallel_ranges(g.positions(), parts, 1, [&](int, int64_t begin, int64_t end) { spread(g, dy, dx, begin, end); });
  };
}

}  // namespace gradstep::cpu
