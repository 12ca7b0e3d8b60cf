// See winograd.h. Tiles of 4 x 4 results are worked through in blocks that stay in a core's cache: a block's patches
// are evaluated [36][tile][channel], multiplied with the kernel [36][panel][channel][columns], and the products
// [36][tile][filter] turned back. Each thread has a contiguous range of blocks, so results do not depend on timing.
#include "cpu/winograd.h"

#include <algorithm>

#include "cpu/bfloat16.h"
#include "cpu/micro_product.h"
#include "cpu/winograd_transforms.h"

namespace gradstep::cpu {

using namespace winograd;

namespace {

constexpr int64_t kPoints = 36, kSide = 6, kOut = 4;

constexpr int64_t kPad = 16;  // between points: they would share sets of the cache

// Floats of patches and products in flight, in a core's second-level cache: mostly 2 MiB with AVX-512, else 512 KiB.
int64_t block_floats() { return (register_lanes() == kLanes ? 200 : 112) * 1024; }
int64_t most_tiles() { return register_lanes() == kLanes ? 96 : 36; }

int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

struct Plan {
  explicit Plan(const WinogradShape& s)
      : tiles_y((s.out_h + kOut - 1) / kOut),
        tiles_x((s.out_w + kOut - 1) / kOut),
        tiles(s.n * tiles_y * tiles_x),
        block(std::clamp<int64_t>(block_floats() / (kPoints * (s.channels + s.filters)) / 12 * 12, 12, most_tiles())),
        patch_point(block * s.channels + kPad),
        product_point(block * s.filters + kPad),
        kernel_point(s.channels * s.filters + kPad) {
    block = std::min(block, rounded_up(tiles, 12));
  }
  int64_t tiles_y, tiles_x, tiles, block;
  int64_t patch_point, product_point, kernel_point;  // floats from one point to the next

  int64_t thread_floats() const { return kPoints * (patch_point + product_point); }
};

// ---- Tiles

struct Tile {
  int64_t image, y, x;  // y, x: of its first result
};

GRADSTEP_INLINE Tile tile_at(const Plan& p, int64_t index) {
  const int64_t per_image = p.tiles_y * p.tiles_x;
  const int64_t image = index / per_image, rest = index % per_image;
  return {image, rest / p.tiles_x * kOut, rest % p.tiles_x * kOut};
}

// Rows and columns of a patch or tile that lie inside: [first, last).
struct Inside {
  int64_t first, last;
  Inside(int64_t from, int64_t count, int64_t size)
      : first(std::max<int64_t>(0, -from)), last(std::min(count, size - from)) {}
  bool all(int64_t count) const { return first == 0 && last == count; }
};

// v[36][tile][channel] of `count` tiles.
template <bool kRound, typename V, typename X>
GRADSTEP_INLINE void evaluate_patches(LaneTag<V>, const WinogradShape& s, const Plan& p, const X* x, int64_t first,
                                      int64_t count, float* v) {
  const auto transform = [](const V* from, V* to) __attribute__((always_inline)) { evaluate(from, to); };
  for (int64_t t = 0; t < count; t++) {
    const Tile tile = tile_at(p, first + t);
    const int64_t top = tile.y - s.pad_top, left = tile.x - s.pad_left;
    const Inside rows(top, kSide, s.h), columns(left, kSide, s.w);
    const X* from = x + ((tile.image * s.h + top) * s.w + left) * s.channels;
    const bool all = rows.all(kSide) && columns.all(kSide);
    for (int64_t c = 0; c < s.channels; c += kWidth<V>) {
      float* to = v + t * s.channels + c;
      const auto store = [&](int r, int k, V value) __attribute__((always_inline)) {
        store_lanes(to + (r * kSide + k) * p.patch_point, value);
      };
      if (all) {
        both_ways<V, 6, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              return load_operand<V, kRound>(from + (r * s.w + k) * s.channels + c);
            },
            store);
      } else {
        both_ways<V, 6, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              const bool inside = r >= rows.first && r < rows.last && k >= columns.first && k < columns.last;
              return inside ? load_operand<V, kRound>(from + (r * s.w + k) * s.channels + c) : V{};
            },
            store);
      }
    }
  }
}

// m[36][tile][filter] of gradients dy.
template <bool kRound, typename V, typename Y>
GRADSTEP_INLINE void evaluate_gradients(LaneTag<V>, const WinogradShape& s, const Plan& p, const Y* dy, int64_t first,
                                        int64_t count, float* m) {
  const auto transform = [](const V* from, V* to) __attribute__((always_inline)) { interpolate_back(from, to); };
  for (int64_t t = 0; t < count; t++) {
    const Tile tile = tile_at(p, first + t);
    const Inside rows(tile.y, kOut, s.out_h), columns(tile.x, kOut, s.out_w);
    const Y* from = dy + ((tile.image * s.out_h + tile.y) * s.out_w + tile.x) * s.filters;
    const bool all = rows.all(kOut) && columns.all(kOut);
    for (int64_t c = 0; c < s.filters; c += kWidth<V>) {
      float* to = m + t * s.filters + c;
      const auto store = [&](int r, int k, V value) __attribute__((always_inline)) {
        store_lanes(to + (r * kSide + k) * p.product_point, value);
      };
      if (all) {
        both_ways<V, 4, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              return load_operand<V, kRound>(from + (r * s.out_w + k) * s.filters + c);
            },
            store);
      } else {
        both_ways<V, 4, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              return r < rows.last && k < columns.last
                         ? load_operand<V, kRound>(from + (r * s.out_w + k) * s.filters + c)
                         : V{};
            },
            store);
      }
    }
  }
}

// y of `count` tiles from m[36][tile][filter].
template <typename V, typename Y, typename Mask>
GRADSTEP_INLINE void results(LaneTag<V>, const WinogradShape& s, const Plan& p, const WinogradForward& f, Y* y,
                             const Mask* masks, int64_t first, int64_t count, const float* m) {
  const auto transform = [](const V* from, V* to) __attribute__((always_inline)) { interpolate(from, to); };
  for (int64_t t = 0; t < count; t++) {
    const Tile tile = tile_at(p, first + t);
    const Inside rows(tile.y, kOut, s.out_h), columns(tile.x, kOut, s.out_w);
    const int64_t place = ((tile.image * s.out_h + tile.y) * s.out_w + tile.x) * s.filters;
    Y* const to = y + place;
    const Mask* const mask = masks ? masks + place : nullptr;
    for (int64_t c = 0; c < s.filters; c += kWidth<V>) {
      const V bias = f.bias ? load_lanes<V>(f.bias + c) : V{};
      const float* from = m + t * s.filters + c;
      both_ways<V, 6, 4>(
          transform,
          [&](int r, int k)
              __attribute__((always_inline)) { return load_lanes<V>(from + (r * kSide + k) * p.product_point); },
          [&](int r, int k, V value) __attribute__((always_inline)) {
            if (r >= rows.last || k >= columns.last) return;
            Y* place = to + (r * s.out_w + k) * s.filters + c;
            value += bias;
            if (f.relu) value = value < V{} ? V{} : value;  // NaN stays, as in scalar::relu
            if (mask) value = load_lanes<V>(mask + (r * s.out_w + k) * s.filters + c) > V{} ? value : V{};
            if (f.accumulate) value += load_lanes<V>(place);
            store_lanes(place, value);
          });
    }
  }
}

// ---- Products

template <typename V>
constexpr int64_t kPanel = kMostVectors<V>* kWidth<V>;

// Any number of rows, kRows at a time; the rest four and one at a time.
template <typename V, int kVectors, bool kTransposed>
GRADSTEP_INLINE void row_products(ProductOperands o, int64_t rows, bool add) {
  constexpr int kRows = rows_beside<V>(kVectors);
  const int64_t a_row = kTransposed ? 1 : o.a_stride;
  while (rows >= kRows) {
    tile_product<kRows, kVectors, kTransposed, V>(o, add);
    o.a += kRows * a_row;
    o.z += kRows * o.z_stride;
    rows -= kRows;
  }
  while (rows >= 4) {
    tile_product<4, kVectors, kTransposed, V>(o, add);
    o.a += 4 * a_row;
    o.z += 4 * o.z_stride;
    rows -= 4;
  }
  while (rows-- > 0) {
    tile_product<1, kVectors, kTransposed, V>(o, add);
    o.a += a_row;
    o.z += o.z_stride;
  }
}

constexpr int64_t kStretch = 128;  // depth of b that stays in the first-level cache

template <typename V, bool kTransposed>
GRADSTEP_INLINE void panel_product(ProductOperands o, int64_t rows, int vectors, bool add) {
  const int64_t depth = o.depth;
  for (int64_t k = 0; k < depth; k += kStretch) {
    o.depth = std::min(kStretch, depth - k);
    const bool adds = add || k > 0;
    if (vectors == 1) row_products<V, 1, kTransposed>(o, rows, adds);
    if (vectors == 2) row_products<V, 2, kTransposed>(o, rows, adds);
    if constexpr (kMostVectors<V> == 4) {
      if (vectors == 3) row_products<V, 3, kTransposed>(o, rows, adds);
      if (vectors == 4) row_products<V, 4, kTransposed>(o, rows, adds);
    }
    o.a += kTransposed ? o.depth * o.a_stride : o.depth;
    o.b += o.depth * o.b_stride;
  }
}

// m[point] = v[point] times the packed kernel's.
template <typename V>
GRADSTEP_INLINE void products(LaneTag<V>, const WinogradShape& s, const Plan& p, const float* v, const float* kernel,
                              int64_t count, float* m) {
  for (int64_t point = 0; point < kPoints; point++) {
    for (int64_t column = 0; column < s.filters; column += kPanel<V>) {
      const int64_t width = std::min(kPanel<V>, s.filters - column);
      panel_product<V, false>(
          {v + point * p.patch_point, s.channels, kernel + point * p.kernel_point + column * s.channels, width,
           m + point * p.product_point + column, s.filters, kWidth<V>, s.channels},
          count, static_cast<int>(width / kWidth<V>), false);
    }
  }
}

// du[point] (+)= v[point] transposed times m[point].
template <typename V>
GRADSTEP_INLINE void kernel_products(LaneTag<V>, const WinogradShape& s, const Plan& p, const float* v, const float* m,
                                     int64_t count, float* du, bool add) {
  for (int64_t point = 0; point < kPoints; point++) {
    for (int64_t column = 0; column < s.filters; column += kPanel<V>) {
      const int64_t width = std::min(kPanel<V>, s.filters - column);
      panel_product<V, true>({v + point * p.patch_point, s.channels, m + point * p.product_point + column, s.filters,
                              du + point * p.kernel_point + column, s.filters, kWidth<V>, count},
                             s.channels, static_cast<int>(width / kWidth<V>), add);
    }
  }
}

// ---- Kernels

// Packs kernel rows begin … end - 1 (input channels of the product): [36][panel][channel][columns].
template <bool kRound, typename V, typename W>
GRADSTEP_INLINE void pack_kernel(LaneTag<V>, const WinogradShape& s, const Plan& p, const W* w, bool transposed,
                                 float* kernel, int64_t begin, int64_t end) {
  const auto transform = [](const V* from, V* to) __attribute__((always_inline)) { evaluate_taps(from, to); };
  for (int64_t c = begin; c < end; c++) {
    for (int64_t column = 0; column < s.filters; column += kWidth<V>) {
      const int64_t panel = column / kPanel<V> * kPanel<V>, width = std::min(kPanel<V>, s.filters - panel);
      float* to = kernel + panel * s.channels + c * width + (column - panel);
      both_ways<V, 3, 6>(
          transform,
          [&](int r, int k) __attribute__((always_inline)) {
            if (!transposed) return load_operand<V, kRound>(w + ((r * 3 + k) * s.channels + c) * s.filters + column);
            const W* from = w + (((2 - r) * 3 + (2 - k)) * s.filters + column) * s.channels + c;
            V lanes;
            for (int l = 0; l < kWidth<V>; l++) lanes[l] = widened(from[l * s.channels]);
            return kRound ? rounded(lanes) : lanes;
          },
          [&](int r, int k, V value)
              __attribute__((always_inline)) { store_lanes(to + (r * kSide + k) * p.kernel_point, value); });
    }
  }
}

// dw of channels begin … end - 1 from the sum of all threads' du.
template <typename V>
GRADSTEP_INLINE void unpack_kernel(LaneTag<V>, const WinogradShape& s, const Plan& p, const float* du,
                                   int64_t du_thread, int parts, float* dw, bool accumulate, int64_t begin,
                                   int64_t end) {
  const auto transform = [](const V* from, V* to) __attribute__((always_inline)) { evaluate_taps_back(from, to); };
  for (int64_t c = begin; c < end; c++) {
    for (int64_t column = 0; column < s.filters; column += kWidth<V>) {
      const float* from = du + c * s.filters + column;
      both_ways<V, 6, 3>(
          transform,
          [&](int r, int k) __attribute__((always_inline)) {
            const float* at = from + (r * kSide + k) * p.kernel_point;
            V sum = load_lanes<V>(at);
            for (int part = 1; part < parts; part++) sum += load_lanes<V>(at + part * du_thread);
            return sum;
          },
          [&](int r, int k, V value) __attribute__((always_inline)) {
            float* to = dw + ((r * 3 + k) * s.channels + c) * s.filters + column;
            store_lanes(to, accumulate ? value + load_lanes<V>(to) : value);
          });
    }
  }
}

// db (+)= the sum of dy.
template <typename V, typename Y>
GRADSTEP_INLINE void add_rows(LaneTag<V>, const Y* dy, int64_t rows, int64_t filters, float* sums) {
  for (int64_t c = 0; c < filters; c += kWidth<V>) store_lanes(sums + c, V{});
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < filters; c += kWidth<V>) {
      store_lanes(sums + c, load_lanes<V>(sums + c) + load_lanes<V>(dy + r * filters + c));
    }
  }
}

void patches(const WinogradShape& s, const Plan& p, Stored x, bool round, int64_t first, int64_t count, float* v) {
  as_operand(x, round, [&](auto rounds, auto* from) {
    in_lanes([&](auto lanes)
                 __attribute__((always_inline)) { evaluate_patches<rounds>(lanes, s, p, from, first, count, v); });
  });
}

int parts_for(const Plan& p, int threads) {
  return static_cast<int>(std::clamp<int64_t>((p.tiles + p.block - 1) / p.block, 1, threads));
}

}  // namespace

bool winograd_pays(const WinogradShape& s) {
  const int64_t lanes = register_lanes();
  return lanes > 0 && s.channels % lanes == 0 && s.filters % lanes == 0 && s.channels * s.filters <= 256 * 256;
}

size_t winograd_bytes(const WinogradShape& s, int threads) {
  const Plan p(s);
  const int64_t kernels = kPoints * p.kernel_point * (1 + threads);
  return (kernels + threads * (p.thread_floats() + s.filters)) * sizeof(float);
}

void winograd_forward(const WinogradShape& s, const WinogradForward& f, void* workspace, int threads) {
  const Plan p(s);
  float* kernel = static_cast<float*>(workspace);
  float* blocks = kernel + kPoints * p.kernel_point;
  const int pack_parts = parts_of(s.channels * s.filters * kPoints, threads);
  parallel_ranges(s.channels, pack_parts, 1, [&](int, int64_t begin, int64_t end) {
    as_operand(f.w, f.round, [&](auto round, auto* w) {
      in_lanes([&](auto lanes) __attribute__((always_inline)) {
        pack_kernel<round>(lanes, s, p, w, f.transposed, kernel, begin, end);
      });
    });
  });
  parallel_ranges(p.tiles, parts_for(p, threads), p.block, [&](int part, int64_t begin, int64_t end) {
    float* v = blocks + part * p.thread_floats();
    float* m = v + kPoints * p.patch_point;
    for (int64_t at = begin; at < end; at += p.block) {
      const int64_t count = std::min(p.block, end - at);
      patches(s, p, f.x, f.round, at, count, v);
      in_lanes([&](auto lanes) __attribute__((always_inline)) { products(lanes, s, p, v, kernel, count, m); });
      typed(f.y, [&](auto* y) {
        typed(f.mask, [&](auto* mask) {
          in_lanes([&](auto lanes) __attribute__((always_inline)) { results(lanes, s, p, f, y, mask, at, count, m); });
        });
      });
    }
  });
}

void winograd_kernel_gradient(const WinogradShape& s, const WinogradGradient& g, void* workspace, int threads) {
  const Plan p(s);
  const int parts = parts_for(p, threads);
  const int64_t du_thread = kPoints * p.kernel_point;
  float* du = static_cast<float*>(workspace);
  float* blocks = du + threads * du_thread;
  parallel_ranges(p.tiles, parts, p.block, [&](int part, int64_t begin, int64_t end) {
    float* v = blocks + part * p.thread_floats();
    float* m = v + kPoints * p.patch_point;
    for (int64_t at = begin; at < end; at += p.block) {
      const int64_t count = std::min(p.block, end - at);
      patches(s, p, g.x, g.round, at, count, v);
      as_operand(g.dy, g.round, [&](auto round, auto* dy) {
        in_lanes([&](auto lanes)
                     __attribute__((always_inline)) { evaluate_gradients<round>(lanes, s, p, dy, at, count, m); });
      });
      in_lanes([&](auto lanes) __attribute__((always_inline)) {
        kernel_products(lanes, s, p, v, m, count, du + part * du_thread, at > begin);
      });
    }
  });
  const int unpack_parts = parts_of(s.channels * s.filters * kPoints, threads);
  parallel_ranges(s.channels, unpack_parts, 1, [&](int, int64_t begin, int64_t end) {
    in_lanes([&](auto lanes) __attribute__((always_inline)) {
      unpack_kernel(lanes, s, p, du, du_thread, parts, g.dw, g.accumulate, begin, end);
    });
  });
  if (!g.db) return;
  const int64_t rows = s.n * s.out_h * s.out_w;
  const int sum_parts = parts_of(rows * s.filters, threads);
  typed(g.dy, [&](auto* dy) {
    parallel_ranges(rows, sum_parts, 1, [&](int part, int64_t begin, int64_t end) {
      in_lanes([&](auto lanes) __attribute__((always_inline)) {
        add_rows(lanes, dy + begin * s.filters, end - begin, s.filters, blocks + part * s.filters);
      });
    });
  });
  for (int64_t c = 0; c < s.filters; c++) {
    float sum = 0;
    for (int part = 0; part < sum_parts; part++) sum += blocks[part * s.filters + c];
    g.db[c] = sum;
  }
}

}  // namespace gradstep::cpu
