// maxPool on the CPU, channels last: one output position at a time, vectorised over channels. The gradient gathers:
// each input position adds up the windows it won, so nothing is zeroed first and overlapping windows need no care.
// Where windows tile an image without gaps (as they mostly do) it spreads whole rows of windows instead: with few
// channels, finding a position's windows takes longer than the arithmetic.
#include "generated/args/max_pool.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

#include <cstring>

#include "cpu/pool_geometry.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kChannels = 64;  // worked on at a time, in registers and first-level cache
constexpr int64_t kGroup = 16;     // of them in one vector

// One window of `planes` x `rows` x `columns` positions, the first at x, for n <= kChannels channels: its largest
// elements and their places. Places count as `place` + plane * place_plane + row * place_row + column.
struct Window {
  int32_t planes, rows, columns;
  int64_t plane_stride, row_stride, column_stride;  // of x, in elements
  int32_t place, place_plane, place_row;
};

GRADSTEP_VECTORISED void contend(float* __restrict y, int32_t* __restrict winner, const float* __restrict x,
                                 const Window& window, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    y[i] = x[i];
    winner[i] = window.place;
  }
  for (int32_t d = 0; d < window.planes; d++) {
    for (int32_t r = 0; r < window.rows; r++) {
      for (int32_t c = d == 0 && r == 0 ? 1 : 0; c < window.columns; c++) {
        const float* __restrict from = x + d * window.plane_stride + r * window.row_stride + c * window.column_stride;
        const int32_t place = window.place + d * window.place_plane + r * window.place_row + c;
        for (int64_t i = 0; i < n; i++) {
          const bool wins = takes_lead(from[i], y[i]);
          y[i] = wins ? from[i] : y[i];
          winner[i] = wins ? place : winner[i];
        }
      }
    }
  }
}

GRADSTEP_VECTORISED void narrow(uint8_t* __restrict to, const int32_t* __restrict from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = static_cast<uint8_t>(from[i]);
}

void narrow(int32_t* to, const int32_t* from, int64_t n) { std::copy(from, from + n, to); }

template <typename Index>
void pool(const PoolGeometry& g, const float* x, float* y, Index* argmax, int64_t begin, int64_t end) {
  int32_t winner[kChannels];
  for (int64_t at = begin; at < end; at++) {
    const PoolIndex of = window_at(g, at);
    const Range planes = g.d.inside(of.d), rows = g.h.inside(of.h), columns = g.w.inside(of.w);
    const int32_t place = ((planes.begin - g.d.begin(of.d)) * g.h.pool + rows.begin - g.h.begin(of.h)) * g.w.pool +
                          columns.begin - g.w.begin(of.w);
    const Window window{planes.end - planes.begin,
                        rows.end - rows.begin,
                        columns.end - columns.begin,
                        g.h.size * g.w.size * g.c,
                        g.w.size * g.c,
                        g.c,
                        place,
                        g.h.pool * g.w.pool,
                        g.w.pool};
    const int64_t row = (of.n * g.d.size + planes.begin) * g.h.size + rows.begin;
    const float* from = x + (row * g.w.size + columns.begin) * g.c;
    for (int64_t c = 0; c < g.c; c += kChannels) {
      const int64_t count = std::min(kChannels, g.c - c);
      contend(y + at * g.c + c, winner, from + c, window, count);
      narrow(argmax + at * g.c + c, winner, count);
    }
  }
}

GRADSTEP_VECTORISED void collect_bytes(float* __restrict dx, const float* __restrict dy,
                                       const uint8_t* __restrict argmax, uint8_t position, int64_t n) {
  for (int64_t i = 0; i < n; i++) dx[i] += argmax[i] == position ? dy[i] : 0.f;
}

GRADSTEP_VECTORISED void collect_bytes_first(float* __restrict dx, const float* __restrict dy,
                                             const uint8_t* __restrict argmax, uint8_t position, int64_t n) {
  for (int64_t i = 0; i < n; i++) dx[i] = argmax[i] == position ? dy[i] : 0.f;
}

void collect(float* dx, const float* dy, const uint8_t* argmax, int32_t position, int64_t n, bool first) {
  (first ? collect_bytes_first : collect_bytes)(dx, dy, argmax, static_cast<uint8_t>(position), n);
}

void collect(float* dx, const float* dy, const int32_t* argmax, int32_t position, int64_t n, bool first) {
  for (int64_t i = 0; i < n; i++) dx[i] = (first ? 0.f : dx[i]) + (argmax[i] == position ? dy[i] : 0.f);
}

template <typename Index>
void spread(const PoolGeometry& g, const float* dy, const Index* argmax, float* dx, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at++) {
    const PoolIndex of = position_at(g, at);
    const Range planes = g.d.covering(of.d), rows = g.h.covering(of.h), columns = g.w.covering(of.w);
    float* to = dx + at * g.c;
    bool first = true;
    for (int32_t o = planes.begin; o < planes.end; o++) {
      for (int32_t p = rows.begin; p < rows.end; p++) {
        const int32_t row = (of.d - g.d.begin(o)) * g.h.pool + of.h - g.h.begin(p);
        for (int32_t q = columns.begin; q < columns.end; q++) {
          const int32_t position = row * g.w.pool + of.w - g.w.begin(q);
          const int64_t from = (((of.n * g.d.windows + o) * g.h.windows + p) * g.w.windows + q) * g.c;
          collect(to, dy + from, argmax + from, position, g.c, first);
          first = false;
        }
      }
    }
    if (first) fill(to, 0.f, g.c);  // no window covers this position
  }
}

// Windows of rows x columns that lie side by side and cover the image exactly, with whole vectors of channels.
struct Tiling {
  int64_t windows, channels;  // windows in a row
  int32_t rows, columns;      // of a window

  int64_t image_row() const { return windows * columns * channels; }
};

bool tiles(const PoolAxis& a) { return a.stride == a.pool && a.pad == 0 && a.windows * a.pool == a.size; }

bool tiles(const PoolGeometry& g) {
  return g.c % kGroup == 0 && g.d.size == 1 && g.d.pool == 1 && tiles(g.h) && tiles(g.w);
}

Tiling tiling_of(const PoolGeometry& g) { return {g.w.windows, g.c, g.h.pool, g.w.pool}; }

typedef float Floats __attribute__((vector_size(kGroup * sizeof(float))));
typedef int32_t Places __attribute__((vector_size(kGroup * sizeof(int32_t))));

GRADSTEP_VECTORISED void spread_row(const Tiling& t, const float* dy, const uint8_t* argmax, float* dx) {
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kGroup) {
      Floats slope;
      Places winner;
      memcpy(&slope, dy + q * t.channels + c, sizeof slope);
      for (int64_t i = 0; i < kGroup; i++) winner[i] = argmax[q * t.channels + c + i];
      float* to = dx + q * t.columns * t.channels + c;
      for (int32_t r = 0; r < t.rows; r++) {
        for (int32_t k = 0; k < t.columns; k++) {
          const Floats here = winner == r * t.columns + k + Places{} ? slope : Floats{};
          memcpy(to + r * t.image_row() + k * t.channels, &here, sizeof here);
        }
      }
    }
  }
}

#if defined(__x86_64__)
// A row of windows, sixteen channels of one at a time: compilers do not find the masks for it.
__attribute__((target("avx512f"))) void pool_row(const Tiling& t, const float* x, float* y, uint8_t* argmax) {
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kGroup) {
      const float* from = x + q * t.columns * t.channels + c;
      __m512 lead = _mm512_loadu_ps(from);
      __m512i winner = _mm512_setzero_si512();
      for (int32_t r = 0; r < t.rows; r++) {
        for (int32_t k = r == 0 ? 1 : 0; k < t.columns; k++) {
          const __m512 here = _mm512_loadu_ps(from + r * t.image_row() + k * t.channels);
          // As takes_lead: larger, or the first NaN.
          const __mmask16 wins =
              _mm512_cmp_ps_mask(here, lead, _CMP_NLE_UQ) & _mm512_cmp_ps_mask(lead, lead, _CMP_ORD_Q);
          lead = _mm512_mask_mov_ps(lead, wins, here);
          winner = _mm512_mask_mov_epi32(winner, wins, _mm512_set1_epi32(r * t.columns + k));
        }
      }
      _mm512_storeu_ps(y + q * t.channels + c, lead);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(argmax + q * t.channels + c), _mm512_cvtepi32_epi8(winner));
    }
  }
}

#else
void pool_row(const Tiling&, const float*, float*, uint8_t*) {}
#endif

template <typename Index>
Step pool_step(Prepare& prepare, const MaxPoolArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  if constexpr (sizeof(Index) == 1) {
    if (tiles(g) && has_avx512()) {
      return [g, parts, x = prepare.at(args.x), y = prepare.at(args.y), argmax = prepare.at<Index>(args.argmax)] {
        const Tiling t = tiling_of(g);
        parallel_ranges(g.n * g.h.windows, parts, 1, [&](int, int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; row++) {
            const int64_t to = row * t.windows * t.channels;
            pool_row(t, x + to * t.rows * t.columns, y + to, argmax + to);
          }
        });
      };
    }
  }
  return [g, parts, x = prepare.at(args.x), y = prepare.at(args.y), argmax = prepare.at<Index>(args.argmax)] {
    parallel_ranges(g.windows(), parts, 1, [&](int, int64_t begin, int64_t end) { pool(g, x, y, argmax, begin, end); });
  };
}

template <typename Index>
Step spread_step(Prepare& prepare, const MaxPoolDxArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.dx, args.dy);
  const int parts = parts_of(args.dx.size(), prepare.threads());
  if constexpr (sizeof(Index) == 1) {
    if (tiles(g)) {
      return [g, parts, dy = prepare.at(args.dy), argmax = prepare.at<Index>(args.argmax), dx = prepare.at(args.dx)] {
        const Tiling t = tiling_of(g);
        parallel_ranges(g.n * g.h.windows, parts, 1, [&](int, int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; row++) {
            const int64_t from = row * t.windows * t.channels;
            spread_row(t, dy + from, argmax + from, dx + from * t.rows * t.columns);
          }
        });
      };
    }
  }
  return [g, parts, dy = prepare.at(args.dy), argmax = prepare.at<Index>(args.argmax), dx = prepare.at(args.dx)] {
    parallel_ranges(g.positions(), parts, 1,
                    [&](int, int64_t begin, int64_t end) { spread(g, dy, argmax, dx, begin, end); });
  };
}

}  // namespace

Step max_pool(Prepare& prepare, const MaxPoolArgs& args) {
  return args.argmax.dtype == DType::kUint8 ? pool_step<uint8_t>(prepare, args) : pool_step<int32_t>(prepare, args);
}

Step max_pool_dx(Prepare& prepare, const MaxPoolDxArgs& args) {
  return args.argmax.dtype == DType::kUint8 ? spread_step<uint8_t>(prepare, args) : spread_step<int32_t>(prepare, args);
}

}  // namespace gradstep::cpu
