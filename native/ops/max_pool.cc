// maxPool on the CPU, channels last: one output position at a time, vectorised over channels. The gradient gathers:
// each input position adds up the windows it won, so nothing is zeroed first and overlapping windows need no care.
// Where windows tile an image without gaps (as they mostly do) it spreads whole rows of windows instead: with few
// channels, finding a position's windows takes longer than the arithmetic. Numbers in bfloat16 are compared and added
// up as float32. max_pool_at gathers too: each window adds up, over its positions, what stands where it was won.
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

// contend() for whole registers of channels.
template <typename V, typename From>
GRADSTEP_INLINE void contend_groups(LaneTag<V>, float* y, uint8_t* argmax, const From* x, const Window& window,
                                    int64_t n) {
  using G = Group<V>;
  for (int64_t i = 0; i < n; i += kWidth<V>) {
    auto lead = G::load(x + i);
    auto winner = G::all_at(window.place);
    for (int32_t d = 0; d < window.planes; d++) {
      for (int32_t r = 0; r < window.rows; r++) {
        const From* from = x + i + d * window.plane_stride + r * window.row_stride;
        const int32_t place = window.place + d * window.place_plane + r * window.place_row;
        for (int32_t c = d == 0 && r == 0 ? 1 : 0; c < window.columns; c++) {
          G::take_lead(lead, winner, G::load(from + c * window.column_stride), place + c);
        }
      }
    }
    G::store(y + i, lead);
    G::store_places(argmax + i, winner);
  }
}

// collect() for whole registers of channels.
template <typename V, typename From>
GRADSTEP_INLINE void collect_groups(LaneTag<V>, float* to, const From* from, const uint8_t* argmax, int32_t position,
                                    int64_t n, bool first) {
  using G = Group<V>;
  for (int64_t i = 0; i < n; i += kWidth<V>) {
    const auto won = G::only_at(G::load_places(argmax + i), position, G::load(from + i));
    G::store(to + i, first ? won : G::sum(G::load(to + i), won));
  }
}

// Channels that a register of those of use holds, of which all channels are a multiple; 0 where there is none.
int64_t group_of(const PoolGeometry& g) {
  if (register_lanes() > 0 && g.c % register_lanes() == 0) return register_lanes();
  return register_lanes() == kLanes && g.c % (kLanes / 2) == 0 ? kLanes / 2 : 0;
}

// body(LaneTag<V>()), V being a register of `group` numbers.
template <typename Body>
void in_groups(int64_t group, const Body& body) {
  group == kLanes ? in_sixteen_lanes(body) : in_eight_lanes(body);
}

template <typename Index, typename From, typename To>
void pool(const PoolGeometry& g, const From* x, To* y, Index* argmax, int64_t begin, int64_t end) {
  int32_t winner[kChannels];
  const int64_t group = group_of(g);
  each_position(y, g.c, begin, end, [&](float* to, int64_t at, int64_t first, int64_t n) {
    const PoolIndex of = window_at(g, at);
    const PoolRange planes = g.d.inside(of.d), rows = g.h.inside(of.h), columns = g.w.inside(of.w);
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
      if (group > 0) {
        in_groups(
            group, [&](auto lanes) __attribute__((always_inline)) {
              contend_groups(lanes, to, argmax + at * g.c + first, from + first, window, n);
            });
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
GRADSTEP_VECTORISED void collect_bytes(float* __restrict to, const From* __restrict from,
                                       const uint8_t* __restrict argmax, uint8_t position, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] += argmax[i] == position ? widened(from[i]) : 0.f;
}

template <typename From>
GRADSTEP_VECTORISED void collect_bytes_first(float* __restrict to, const From* __restrict from,
                                             const uint8_t* __restrict argmax, uint8_t position, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = argmax[i] == position ? widened(from[i]) : 0.f;
}

// Adds to n channels, or writes where it is the `first`, what `from` holds of those that `position` won.
template <typename From>
void collect(float* to, const From* from, const uint8_t* argmax, int32_t position, int64_t n, bool first) {
  (first ? collect_bytes_first<From> : collect_bytes<From>)(to, from, argmax, static_cast<uint8_t>(position), n);
}

template <typename From>
void collect(float* to, const From* from, const int32_t* argmax, int32_t position, int64_t n, bool first) {
  for (int64_t i = 0; i < n; i++) to[i] = (first ? 0.f : to[i]) + (argmax[i] == position ? widened(from[i]) : 0.f);
}

template <typename Index, typename From, typename To>
void spread(const PoolGeometry& g, const From* dy, const Index* argmax, To* dx, int64_t begin, int64_t end) {
  const int64_t group = group_of(g);
  each_position(dx, g.c, begin, end, [&](float* to, int64_t at, int64_t c, int64_t n) {
    const PoolIndex of = position_at(g, at);
    const PoolRange planes = g.d.covering(of.d), rows = g.h.covering(of.h), columns = g.w.covering(of.w);
    bool first = true;
    for (int32_t o = planes.begin; o < planes.end; o++) {
      for (int32_t p = rows.begin; p < rows.end; p++) {
        const int32_t row = (of.d - g.d.begin(o)) * g.h.pool + of.h - g.h.begin(p);
        for (int32_t q = columns.begin; q < columns.end; q++) {
          const int32_t position = row * g.w.pool + of.w - g.w.begin(q);
          const int64_t from = (((of.n * g.d.windows + o) * g.h.windows + p) * g.w.windows + q) * g.c + c;
          if constexpr (sizeof(Index) == 1) {
            if (group > 0) {
              in_groups(
                  group, [&](auto lanes) __attribute__((always_inline)) {
                    collect_groups(lanes, to, dy + from, argmax + from, position, n, first);
                  });
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

template <typename Index, typename From, typename To>
void pick(const PoolGeometry& g, const From* x, const Index* argmax, To* y, int64_t begin, int64_t end) {
  const int64_t group = group_of(g);
  each_position(y, g.c, begin, end, [&](float* to, int64_t at, int64_t c, int64_t n) {
    const PoolIndex of = window_at(g, at);
    const PoolRange planes = g.d.inside(of.d), rows = g.h.inside(of.h), columns = g.w.inside(of.w);
    const Index* won = argmax + at * g.c + c;
    bool first = true;
    for (int32_t d = planes.begin; d < planes.end; d++) {
      for (int32_t h = rows.begin; h < rows.end; h++) {
        const int32_t row = (d - g.d.begin(of.d)) * g.h.pool + h - g.h.begin(of.h);
        for (int32_t w = columns.begin; w < columns.end; w++) {
          const int32_t position = row * g.w.pool + w - g.w.begin(of.w);
          const From* from = x + (((of.n * g.d.size + d) * g.h.size + h) * g.w.size + w) * g.c + c;
          if constexpr (sizeof(Index) == 1) {
            if (group > 0) {
              in_groups(
                  group, [&](auto lanes) __attribute__((always_inline)) {
                    collect_groups(lanes, to, from, won, position, n, first);
                  });
              first = false;
              continue;
            }
          }
          collect(to, from, won, position, n, first);
          first = false;
        }
      }
    }
    if (first) fill(to, 0.f, n);  // the whole window is padding
  });
}

constexpr int64_t kChannelUnit = 16;

// Windows of rows x columns that lie side by side and cover the image exactly, with whole registers of channels.
struct Tiling {
  int64_t windows, channels;  // windows in a row
  int32_t rows, columns;      // of a window

  int64_t image_row() const { return windows * columns * channels; }
};

bool tiles(const PoolAxis& a) { return a.stride == a.pool && a.pad == 0 && a.windows * a.pool == a.size; }

bool tiles(const PoolGeometry& g) {
  return register_lanes() > 0 && g.c % kChannelUnit == 0 && g.d.size == 1 && g.d.pool == 1 && tiles(g.h) && tiles(g.w);
}

Tiling tiling_of(const PoolGeometry& g) { return {g.w.windows, g.c, g.h.pool, g.w.pool}; }

// dx in float32.
template <typename V, typename From>
GRADSTEP_INLINE void spread_row(LaneTag<V>, const Tiling& t, const From* dy, const uint8_t* argmax, float* dx) {
  using G = Group<V>;
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kWidth<V>) {
      const auto slope = G::load(dy + q * t.channels + c);
      const auto winner = G::load_places(argmax + q * t.channels + c);
      float* to = dx + q * t.columns * t.channels + c;
      for (int32_t r = 0; r < t.rows; r++) {
        for (int32_t k = 0; k < t.columns; k++) {
          G::store(to + r * t.image_row() + k * t.channels, G::only_at(winner, r * t.columns + k, slope));
        }
      }
    }
  }
}

// In bfloat16: a slope is rounded once and then moved, to one place of its window; places in numbers as wide as it.
template <typename V, typename From>
GRADSTEP_INLINE void spread_row(LaneTag<V>, const Tiling& t, const From* dy, const uint8_t* argmax, uint16_t* dx) {
  typedef uint16_t Slopes __attribute__((vector_size(kChannelUnit * 2)));
  typedef int16_t Places __attribute__((vector_size(kChannelUnit * 2)));
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kChannelUnit) {
      const From* from = dy + q * t.channels + c;
      uint16_t rounded[kChannelUnit];
      if constexpr (sizeof(From) == 2) {
        memcpy(rounded, from, sizeof rounded);
      } else {
        for (int64_t i = 0; i < kChannelUnit; i += kWidth<V>) Group<V>::store(rounded + i, Group<V>::load(from + i));
      }
      Slopes slope;
      Places winner;
      memcpy(&slope, rounded, sizeof slope);
      for (int64_t i = 0; i < kChannelUnit; i++) winner[i] = argmax[q * t.channels + c + i];
      uint16_t* to = dx + q * t.columns * t.channels + c;
      for (int32_t r = 0; r < t.rows; r++) {
        for (int32_t k = 0; k < t.columns; k++) {
          const Slopes here = winner == static_cast<int16_t>(r * t.columns + k) + Places{} ? slope : Slopes{};
          memcpy(to + r * t.image_row() + k * t.channels, &here, sizeof here);
        }
      }
    }
  }
}

// A row of windows that tile the image. kSide: rows and columns of a window, where they are known: that takes a third
// off the time in bfloat16; float32 waits for memory. 0 where they are not.
template <int kSide, typename V, typename From, typename To>
GRADSTEP_INLINE void pool_row(LaneTag<V>, const Tiling& t, const From* x, To* y, uint8_t* argmax) {
  using G = Group<V>;
  const int32_t rows = kSide > 0 ? kSide : t.rows, columns = kSide > 0 ? kSide : t.columns;
  const int64_t image_row = t.image_row();
  for (int64_t q = 0; q < t.windows; q++) {
    for (int64_t c = 0; c < t.channels; c += kWidth<V>) {
      const From* from = x + q * columns * t.channels + c;
      auto lead = G::load(from);
      auto winner = G::all_at(0);
#pragma GCC unroll 2
      for (int32_t r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int32_t k = r == 0 ? 1 : 0; k < columns; k++) {
          G::take_lead(lead, winner, G::load(from + r * image_row + k * t.channels), r * columns + k);
        }
      }
      if constexpr (sizeof(From) == 2 && sizeof(To) == 2) {
        G::store_upper(y + q * t.channels + c, lead);
      } else {
        G::store(y + q * t.channels + c, lead);
      }
      G::store_places(argmax + q * t.channels + c, winner);
    }
  }
}

template <int kSide, typename From, typename To>
void pool_rows(const Tiling& t, const From* x, To* y, uint8_t* argmax, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const int64_t to = row * t.windows * t.channels;
    in_lanes([&](auto lanes) __attribute__((always_inline)) {
      pool_row<kSide>(lanes, t, x + to * t.rows * t.columns, y + to, argmax + to);
    });
  }
}

template <typename Index, typename From, typename To>
Step pool_step(Prepare& prepare, const MaxPoolArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  const From* x = prepare.at<From>(args.x);
  To* y = prepare.at<To>(args.y);
  Index* argmax = prepare.at<Index>(args.argmax);
  if constexpr (sizeof(Index) == 1) {
    if (tiles(g)) {
      return [=] {
        const Tiling t = tiling_of(g);
        const bool usual = sizeof(From) == 2 && t.rows == 2 && t.columns == 2;
        parallel_ranges(g.n * g.h.windows, parts, 1, [&](int, int64_t begin, int64_t end) {
          (usual ? pool_rows<2, From, To> : pool_rows<0, From, To>)(t, x, y, argmax, begin, end);
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
            in_lanes([&](auto lanes) __attribute__((always_inline)) {
              spread_row(lanes, t, dy + from, argmax + from, dx + from * t.rows * t.columns);
            });
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

template <typename Index, typename From, typename To>
Step pick_step(Prepare& prepare, const MaxPoolAtArgs& args) {
  const PoolGeometry g = pool_geometry(args, args.x, args.y);
  const int parts = parts_of(args.x.size(), prepare.threads());
  const From* x = prepare.at<From>(args.x);
  const Index* argmax = prepare.at<Index>(args.argmax);
  To* y = prepare.at<To>(args.y);
  return [=] {
    parallel_ranges(g.windows(), parts, 1, [&](int, int64_t begin, int64_t end) { pick(g, x, argmax, y, begin, end); });
  };
}

// step(index, from, to) with a value of each type: of positions in windows, of what is read and of what is written.
template <typename Make>
Step of_types(const Tensor& argmax, const Tensor& from, const Tensor& to, const Make& step) {
  return as_stored(from.dtype, [&](auto read) {
    return as_stored(to.dtype, [&](auto written) {
      return argmax.dtype == DType::kUint8 ? step(uint8_t{}, read, written) : step(int32_t{}, read, written);
    });
  });
}

}  // namespace

Step max_pool(Prepare& prepare, const MaxPoolArgs& args) {
  return of_types(args.argmax, args.x, args.y, [&](auto index, auto x, auto y) {
    return pool_step<decltype(index), decltype(x), decltype(y)>(prepare, args);
  });
}

Step max_pool_dx(Prepare& prepare, const MaxPoolDxArgs& args) {
  return of_types(args.argmax, args.dy, args.dx, [&](auto index, auto dy, auto dx) {
    return spread_step<decltype(index), decltype(dy), decltype(dx)>(prepare, args);
  });
}

Step max_pool_at(Prepare& prepare, const MaxPoolAtArgs& args) {
  return of_types(args.argmax, args.x, args.y, [&](auto index, auto x, auto y) {
    return pick_step<decltype(index), decltype(x), decltype(y)>(prepare, args);
  });
}

}  // namespace gradstep::cpu
