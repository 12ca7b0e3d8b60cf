// averagePool2d on the CPU, NHWC: one position at a time, vectorised over channels; padding is not counted. The
// gradient gathers: each input position adds up its share of the windows that cover it.
#include "generated/args/average_pool2d.h"

#include "cpu/pool_geometry.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void add_scaled(float* __restrict y, const float* __restrict x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
}

int32_t count(Range rows, Range columns) { return (rows.end - rows.begin) * (columns.end - columns.begin); }

void pool(const PoolGeometry& g, const float* x, float* y, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const Range columns = g.w.inside(at % g.w.windows), rows = g.h.inside(at / g.w.windows % g.h.windows);
    const int64_t n = at / g.w.windows / g.h.windows;
    float* to = y + at * g.c;
    fill(to, 0.f, g.c);
    for (int32_t h = rows.begin; h < rows.end; h++) {
      for (int32_t w = columns.begin; w < columns.end; w++) add(to, x + ((n * g.h.size + h) * g.w.size + w) * g.c, g.c);
    }
    scale(to, 1.f / static_cast<float>(count(rows, columns)), g.c);
  }
}

void spread(const PoolGeometry& g, const float* dy, float* dx, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const Range columns = g.w.covering(at % g.w.size), rows = g.h.covering(at / g.w.size % g.h.size);
    const int64_t n = at / g.w.size / g.h.size;
    float* to = dx + at * g.c;
    fill(to, 0.f, g.c);
    for (int32_t p = rows.begin; p < rows.end; p++) {
      for (int32_t q = columns.begin; q < columns.end; q++) {
        const float share = 1.f / static_cast<float>(count(g.h.inside(p), g.w.inside(q)));
        add_scaled(to, dy + ((n * g.h.windows + p) * g.w.windows + q) * g.c, share, g.c);
      }
    }
  }
}

}  // namespace

Step average_pool2d(Prepare& prepare, const AveragePool2dArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  return [g, parts, x = prepare.at(args.x), y = prepare.at(args.y)] {
    parallel_ranges(g.windows(), parts, 1, [&](int, int64_t begin, int64_t end) { pool(g, x, y, begin, end); });
  };
}

Step average_pool2d_dx(Prepare& prepare, const AveragePool2dDxArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.dx, args.dy);
  const int parts = parts_of(args.dx.size(), prepare.threads());
  return [g, parts, dy = prepare.at(args.dy), dx = prepare.at(args.dx)] {
    parallel_ranges(g.positions(), parts, 1, [&](int, int64_t begin, int64_t end) { spread(g, dy, dx, begin, end); });
  };
}

}  // namespace gradstep::cpu
