// maxPool on the CPU, channels last: one output position at a time, vectorised over channels. The gradient gathers:
// each input position adds up the windows it won, so nothing is zeroed first and overlapping windows need no care.
// Where windows tile an image without gaps (as they mostly do) it spreads whole rows of windows instead: with few
// channels, finding a position's windows takes longer than the arithmetic. Numbers in bfloat16 are compared and added
// up as float32.
#include "generated/args/max_pool.h"

#include <cstring>

#include "cpu/number_group.h"
#include "cpu/pool_geometry.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kChannels = 64;  // worked on at a time, in registers and first-level cache

// One window of `planes` x `rows` x `columns` positions, the first at x, for n <= kChannels channels: its largest
// elements and their places. Places count as `place` + plane * place_plane + row * place_row + column.
struct Window {
  int32_t planes, rows, columns;
  int64_t plane_stride, row_stride, column_stride;  // of x, in elements
  int32_t place, place_plane, place_row;
};

template <typename From>
GRADSTEP_VECTORISED void contend(float* __restrict y, int32_t* __restrict winner, const From* __restrict x,
                                 const Window& window, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    y[i] = widened(x[i]);
    winner[i] = window.place;
  }
  for (int32_t d = 0; d < window.planes; d++) {
    for (int32_t r = 0; r < window.rows; r++) {
      for (int32_t c = d == 0 && r == 0 ? 1 : 0; c < window.columns; c++) {
        const From* __restrict from = x + d * window.plane_stride + r * window.row_stride + c * window.column_stride;
        const int32_t place = window.place + d * window.place_plane + r * window.place_row + c;
        for (int64_t i = 0; i < n; i++) {
          const float here = widened(from[i]);
          const bool wins = takes_lead(here, y[i]);
          y[i] = wins ? here : y[i];
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

#if defined(__x86_64__)
// As takes_lead: larger, or the first NaN.
GRADSTEP_AVX512 GRADSTEP_INLINE void take_lead(__m512& lead, __m512i& winner, __m512 here, int32_t place) {
  const __mmask16 wins = _mm512_cmp_ps_mask(here, lead, _CMP_NLE_UQ) & _mm512_cmp_ps_mask(lead, lead, _CMP_ORD_Q);
  lead = _mm512_mask_mov_ps(lead, wins, here);
  winner = _mm512_mask_mov_epi32(winner, wins, _mm512_set1_epi32(place));
}

GRADSTEP_AVX512 GRADSTEP_INLINE void store_places(uint8_t* to, __m512i places) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(places));
}

// contend() for whole groups of channels: compilers do not find the masks for it.
template <typename From>
GRADSTEP_AVX512 void contend_groups(float* y, uint8_t* argmax, const From* x, const Window& window, int64_t n) {
  for (int64_t i = 0; i < n; i += kGroup) {
    __m512 lead = load_group(x + i);
    __m512i winner = _mm512_set1_epi32(window.place);
    for (int32_t d = 0; d < window.planes; d++) {
      for (int32_t r = 0; r < window.rows; r++) {
        const From* from = x + i + d * window.plane_stride + r * window.row_stride;
        const int32_t place = window.place + d * window.place_plane + r * window.place_row;
        for (int32_t c = d == 0 && r == 0 ? 1 : 0; c < window.columns; c++) {
          take_lead(lead, winner, load_group(from + c * window.column_stride), place + c);
        }
      }
    }
    store_group(y + i, lead);
    store_places(argmax + i, winner);
  }
}

// collect() for whole groups of channels.
template <typename From>
GRADSTEP_AVX512 void collect_groups(float* dx, const From* dy, const uint8_t* argmax, int32_t position, int64_t n,
                                    bool first) {
  for (int64_t i = 0; i < n; i += kGroup) {
    const __m512i winner = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(argmax + i)));
    const __mmask16 won = _mm512_cmpeq_epi32_mask(winner, _mm512_set1_epi32(position));
    const __m512 slope = _mm512_maskz_mov_ps(won, load_group(dy + i));
    store_group(dx + i, first ? slope : _mm512_add_ps(load_group(dx + i), slope));
  }
}

#else
template <typename From>
void contend_groups(float*, uint8_t*, const From*, const Window&, int64_t) {}

template <typename From>
void collect_groups(float*, const From*, const uint8_t*, int32_t, int64_t, bool) {}
#endif

bool in_groups(const PoolGeometry& g) { return g.c % kGroup == 0 && has_avx512(); }

template <typename Index, typename From, typename To>
void pool(const PoolGeometry& g, const From* x, To* y, Index* argmax, int64_t begin, int64_t end) {
  int32_t winner[kChannels];
  const bool grouped = in_groups(g);
  each_position(y, g.c, begin, end, [&](float* to, int64_t at, int64_t first, int64_t n) {
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
    const From* from = x + (row * g.w.size + columns.begin) * g.c;
    if constexpr (sizeof(Index) == 1) {
      if (grouped) {
        contend_groups(to, argmax + at * g.c + first, from + first, window, n);
        return;
      }
    }
    for (int64_t c = 0; c < n; c += kChannels) {
      const int64_t count = std::min(kChannels, n - c);
      contend(to + c, winner, from + first + c, window, count);
      narrow(argmax + at * g.c + first + c, winner, count);
    }
  });
}

template <typename From>
GRADSTEP_VECTORISED void collect_bytes(float* __restrict dx, const From* __restrict dy,
                                       const uint8_t* __restrict argmax, uint8_t position, int64_t n) {
  for (int64_t i = 0; i < n; i++) dx[i] += argmax[i] == position ? widened(dy[i]) : 0.f;
}

template <typename From>
GRADSTEP_VECTORISED void collect_bytes_first(float* __restrict dx, const From* __restrict dy,
                                             const uint8_t* __restrict argmax, uint8_t position, int64_t n) {
  for (int64_t i = 0; i < n; i++) dx[i] = argmax[i] == position ? widened(dy[i]) : 0.f;
}

template <typename From>
void collect(float* dx, const From* dy, const uint8_t* argmax, int32_t position, int64_t n, bool first) {
  (first ? collect_bytes_first<From> : collect_bytes<From>)(dx, dy, argmax, static_cast<uint8_t>(position), n);
}

template <typename From>
void collect(float* dx, const From* dy, const int32_t* argmax, int32_t position, int64_t n, bool first) {
  for (int64_t i = 0; i < n; i++) dx[i] = (first ? 0.f : dx[i]) + (argmax[i] == position ? widened(dy[i]) : 0.f);
}

template <typename Index, typename From, typename To>
void spread(const PoolGeometry& g, const From* dy, const Index* argmax, To* dx, int64_t begin, int64_t end) {
  const bool grouped = in_groups(g);
  each_position(dx, g.c, begin, end, [&](float* to, int64_t at, int64_t c, int64_t n) {
    const PoolIndex of = position_at(g, at);
    const Range planes = g.d.covering(of.d), rows = g.h.covering(of.h), columns = g.w.covering(of.w);
    bool first = true;
    for (int32_t o = planes.begin; o < planes.end; o++) {
      for (int32_t p = rows.begin; p < rows.end; p++) {
        const int32_t row = (of.d - g.d.begin(o)) * g.h.pool + of.h - g.h.begin(p);
        for (int32_t q = columns.begin; q < columns.end; q++) {
          const int32_t position = row * g.w.pool + of.w - g.w.begin(q);
          const int64_t from = (((of.n * g.d.windows + o) * g.h.windows + p) * g.w.windows + q) * g.c + c;
          if constexpr (sizeof(Index) == 1) {
            if (grouped) {
              collect_groups(to, dy + from, argmax + from, position, n, first);
              first = false;
              continue;
            }
          }
          collect(to, dy + from, argmax + from, position, n, first);
          first = false;
        }
      }
    }
    if (first) fill(to, 0.f, n);  // no window covers this position
  });
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

typedef uint32_t Words __attribute__((vector_size(kGroup * 4)));
typedef uint16_t Halves __attribute__((vector_size(kGroup * 2)));

// Sixteen numbers as vectors; loops over them would be compiled for one number at a time.
GRADSTEP_INLINE void convert_group(float* to, const uint16_t* from) {
  Halves halves;
  memcpy(&halves, from, sizeof halves);
  const Words bits = __builtin_convertvector(halves, Words) << 16;
  memcpy(to, &bits, sizeof bits);
}

// As bfloat16_bits().
GRADSTEP_INLINE void convert_group(uint16_t* to, const float* from) {
  Words bits;
  memcpy(&bits, from, sizeof bits);
  const Words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const Words stored = (bits & 0x7fffffff) > 0x7f800000 + Words{} ? bits >> 16 | 0x40 : rounded;
  const Halves halves = __builtin_convertvector(stored, Halves);
  memcpy(to, &halves, sizeof halves);
}

// A slope is converted once and then moved, to one place of its window; places in numbers as wide as it.
template <typename From, typename To>
GRADSTEP_VECTORISED void spread_row(const Tiling& t, const From* dy, const uint8_t* argmax, To* dx) {
  using Place = std::conditional_t<std::is_same_v<To, float>, int32_t, int16_t>;
  typedef To Slopes __attribute__((vector_size(kGroup * sizeof(To))));
  typedef Place Places __attribute__((vector_size(kGroup * sizeof(Place))));
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kGroup) {
      Slopes slope;
      Places winner;
      const From* from = dy + q * t.channels + c;
      if constexpr (std::is_same_v<From, To>) {
        memcpy(&slope, from, sizeof slope);
      } else {
        convert_group(reinterpret_cast<To*>(&slope), from);
      }
      for (int64_t i = 0; i < kGroup; i++) winner[i] = argmax[q * t.channels + c + i];
      To* to = dx + q * t.columns * t.channels + c;
      for (int32_t r = 0; r < t.rows; r++) {
        for (int32_t k = 0; k < t.columns; k++) {
          const Slopes here = winner == static_cast<Place>(r * t.columns + k) + Places{} ? slope : Slopes{};
          memcpy(to + r * t.image_row() + k * t.channels, &here, sizeof here);
        }
      }
    }
  }
}

#if defined(__x86_64__)
// A row of windows that tile the image. kSide: rows and columns of a window, where they are known: that takes a third
// off the time in bfloat16; float32 waits for memory. 0 where they are not.
template <int kSide, typename From, typename To>
GRADSTEP_AVX512 void pool_row(const Tiling& t, const From* x, To* y, uint8_t* argmax) {
  const int32_t rows = kSide > 0 ? kSide : t.rows, columns = kSide > 0 ? kSide : t.columns;
  const int64_t image_row = t.image_row();
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kGroup) {
      const From* from = x + q * columns * t.channels + c;
      __m512 lead = load_group(from);
      __m512i winner = _mm512_setzero_si512();
#pragma GCC unroll 2
      for (int32_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int32_t k = r == 0 ? 1 : 0; k < columns; k++) {
          take_lead(lead, winner, load_group(from + r * image_row + k * t.channels), r * columns + k);
        }
      }
      if constexpr (sizeof(From) == 2 && sizeof(To) == 2) {
        store_halves(y + q * t.channels + c, _mm512_srli_epi32(_mm512_castps_si512(lead), 16));
      } else {
        store_group(y + q * t.channels + c, lead);
      }
      store_places(argmax + q * t.channels + c, winner);
    }
  }
}

#else
template <int kSide, typename From, typename To>
void pool_row(const Tiling&, const From*, To*, uint8_t*) {}
#endif

template <typename Index, typename From, typename To>
Step pool_step(Prepare& prepare, const MaxPoolArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  const From* x = prepare.at<From>(args.x);
  To* y = prepare.at<To>(args.y);
  Index* argmax = prepare.at<Index>(args.argmax);
  if constexpr (sizeof(Index) == 1) {
    if (tiles(g) && has_avx512()) {
      return [=] {
        const Tiling t = tiling_of(g);
        const auto pool_row_of =
            sizeof(From) == 2 && t.rows == 2 && t.columns == 2 ? pool_row<2, From, To> : pool_row<0, From, To>;
        parallel_ranges(g.n * g.h.windows, parts, 1, [&](int, int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; row++) {
            const int64_t to = row * t.windows * t.channels;
            pool_row_of(t, x + to * t.rows * t.columns, y + to, argmax + to);
          }
        });
      };
    }
  }
  return [=] {
    parallel_ranges(g.windows(), parts, 1, [&](int, int64_t begin, int64_t end) { pool(g, x, y, argmax, begin, end); });
  };
}

template <typename Index, typename From, typename To>
Step spread_step(Prepare& prepare, const MaxPoolDxArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.dx, args.dy);
  const int parts = parts_of(args.dx.size(), prepare.threads());
  const From* dy = prepare.at<From>(args.dy);
  const Index* argmax = prepare.at<Index>(args.argmax);
  To* dx = prepare.at<To>(args.dx);
  if constexpr (sizeof(Index) == 1) {
    if (tiles(g)) {
      return [=] {
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
  return [=] {
    parallel_ranges(g.positions(), parts, 1,
                    [&](int, int64_t begin, int64_t end) { spread(g, dy, argmax, dx, begin, end); });
  };
}

}  // namespace

Step max_pool(Prepare& prepare, const MaxPoolArgs& args) {
  return as_stored(args.x.dtype, [&](auto x) {
    return as_stored(args.y.dtype, [&](auto y) {
      return args.argmax.dtype == DType::kUint8 ? pool_step<uint8_t, decltype(x), decltype(y)>(prepare, args)
                                                : pool_step<int32_t, decltype(x), decltype(y)>(prepare, args);
    });
  });
}

Step max_pool_dx(Prepare& prepare, const MaxPoolDxArgs& args) {
  return as_stored(args.dy.dtype, [&](auto dy) {
    return as_stored(args.dx.dtype, [&](auto dx) {
      return args.argmax.dtype == DType::kUint8 ? spread_step<uint8_t, decltype(dy), decltype(dx)>(prepare, args)
                                                : spread_step<int32_t, decltype(dy), decltype(dx)>(prepare, args);
    });
  });
}

}  // namespace gradstep::cpu
