// See winograd.h. Tiles of 4 x 4 results are worked through in blocks that stay in a core's cache: a block's patches
// are evaluated [36][tile][channel], multiplied with the kernel [36][panel][channel][columns], and the products
// [36][tile][filter] turned back. Each thread has a contiguous range of blocks, so results do not depend on timing.
#include "cpu/winograd.h"

#include <algorithm>
#include <type_traits>

#include "cpu/micro_product.h"
#include "cpu/winograd_transforms.h"

namespace gradstep::cpu {

using namespace winograd;

namespace {

constexpr int64_t kPoints = 36, kSide = 6, kOut = 4;
constexpr int64_t kBlockFloats = 200 * 1024;  // of patches and products in flight, in a core's second-level cache
constexpr int64_t kMaxTiles = 96;
constexpr int64_t kPad = kLanes;  // between points: they would share sets of the cache

int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

struct Plan {
  explicit Plan(const WinogradShape& s)
      : tiles_y((s.out_h + kOut - 1) / kOut),
        tiles_x((s.out_w + kOut - 1) / kOut),
        tiles(s.n * tiles_y * tiles_x),
        block(std::clamp<int64_t>(kBlockFloats / (kPoints * (s.channels + s.filters)) / 12 * 12, 12, kMaxTiles)),
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

template <bool kRound>
GRADSTEP_INLINE Lanes load_operand(const float* from) {
  const Lanes lanes = load_lanes(from);
  return kRound ? rounded(lanes) : lanes;
}

template <bool>
GRADSTEP_INLINE Lanes load_operand(const uint16_t* from) {
  return load_lanes(from);
}

// body(whether it rounds as it loads, pointer to elements).
template <typename Body>
void as_operand(const Stored& numbers, bool round, Body body) {
  if (numbers.narrow()) {
    body(std::false_type{}, static_cast<const uint16_t*>(numbers.at));
  } else if (round) {
    body(std::true_type{}, static_cast<const float*>(numbers.at));
  } else {
    body(std::false_type{}, static_cast<const float*>(numbers.at));
  }
}

// v[36][tile][channel] of `count` tiles.
template <bool kRound, typename X>
GRADSTEP_VECTORISED void evaluate_patches(const WinogradShape& s, const Plan& p, const X* x, int64_t first,
                                          int64_t count, float* v) {
  const auto transform = [](const Lanes* from, Lanes* to) __attribute__((always_inline)) { evaluate(from, to); };
  for (int64_t t = 0; t < count; t++) {
    const Tile tile = tile_at(p, first + t);
    const int64_t top = tile.y - s.pad_top, left = tile.x - s.pad_left;
    const Inside rows(top, kSide, s.h), columns(left, kSide, s.w);
    const X* from = x + ((tile.image * s.h + top) * s.w + left) * s.channels;
    const bool all = rows.all(kSide) && columns.all(kSide);
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      float* to = v + t * s.channels + c;
      const auto store = [&](int r, int k, Lanes value) __attribute__((always_inline)) {
        store_lanes(to + (r * kSide + k) * p.patch_point, value);
      };
      if (all) {
        both_ways<6, 6>(
            transform,
            [&](int r, int k)
                __attribute__((always_inline)) { return load_operand<kRound>(from + (r * s.w + k) * s.channels + c); },
            store);
      } else {
        both_ways<6, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              const bool inside = r >= rows.first && r < rows.last && k >= columns.first && k < columns.last;
              return inside ? load_operand<kRound>(from + (r * s.w + k) * s.channels + c) : Lanes{};
            },
            store);
      }
    }
  }
}

// m[36][tile][filter] of gradients dy.
template <bool kRound, typename Y>
GRADSTEP_VECTORISED void evaluate_gradients(const WinogradShape& s, const Plan& p, const Y* dy, int64_t first,
                                            int64_t count, float* m) {
  const auto transform = [](const Lanes* from, Lanes* to) __attribute__((always_inline)) {
    interpolate_back(from, to);
  };
  for (int64_t t = 0; t < count; t++) {
    const Tile tile = tile_at(p, first + t);
    const Inside rows(tile.y, kOut, s.out_h), columns(tile.x, kOut, s.out_w);
    const Y* from = dy + ((tile.image * s.out_h + tile.y) * s.out_w + tile.x) * s.filters;
    const bool all = rows.all(kOut) && columns.all(kOut);
    for (int64_t c = 0; c < s.filters; c += kLanes) {
      float* to = m + t * s.filters + c;
      const auto store = [&](int r, int k, Lanes value) __attribute__((always_inline)) {
        store_lanes(to + (r * kSide + k) * p.product_point, value);
      };
      if (all) {
        both_ways<4, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              return load_operand<kRound>(from + (r * s.out_w + k) * s.filters + c);
            },
            store);
      } else {
        both_ways<4, 6>(
            transform,
            [&](int r, int k) __attribute__((always_inline)) {
              return r < rows.last && k < columns.last ? load_operand<kRound>(from + (r * s.out_w + k) * s.filters + c)
                                                       : Lanes{};
            },
            store);
      }
    }
  }
}

// y of `count` tiles from m[36][tile][filter].
GRADSTEP_VECTORISED void results(const WinogradShape& s, const Plan& p, const WinogradForward& f, int64_t first,
                                 int64_t count, const float* m) {
  const auto transform = [](const Lanes* from, Lanes* to) __attribute__((always_inline)) { interpolate(from, to); };
  for (int64_t t = 0; t < count; t++) {
    const Tile tile = tile_at(p, first + t);
    const Inside rows(tile.y, kOut, s.out_h), columns(tile.x, kOut, s.out_w);
    const int64_t place = ((tile.image * s.out_h + tile.y) * s.out_w + tile.x) * s.filters;
    float* const to = f.y + place;
    const float* const mask = f.mask ? f.mask + place : nullptr;
    for (int64_t c = 0; c < s.filters; c += kLanes) {
      const Lanes bias = f.bias ? load_lanes(f.bias + c) : Lanes{};
      const float* from = m + t * s.filters + c;
      both_ways<6, 4>(
          transform,
          [&](int r, int k)
              __attribute__((always_inline)) { return load_lanes(from + (r * kSide + k) * p.product_point); },
          [&](int r, int k, Lanes value) __attribute__((always_inline)) {
            if (r >= rows.last || k >= columns.last) return;
            float* place = to + (r * s.out_w + k) * s.filters + c;
            value += bias;
            if (f.relu) value = value < Lanes{} ? Lanes{} : value;  // NaN stays, as in scalar::relu
            if (mask) value = load_lanes(mask + (r * s.out_w + k) * s.filters + c) > Lanes{} ? value : Lanes{};
            if (f.accumulate) value += load_lanes(place);
            store_lanes(place, value);
          });
    }
  }
}

// ---- Products

// Any number of rows, kRows at a time; the rest four and one at a time.
template <int kRows, int kVectors, bool kTransposed>
GRADSTEP_INLINE void row_products(ProductOperands o, int64_t rows, bool add) {
  const int64_t a_row = kTransposed ? 1 : o.a_stride;
  while (rows >= kRows) {
    tile_product<kRows, kVectors, kTransposed>(o, add);
    o.a += kRows * a_row;
    o.z += kRows * o.z_stride;
    rows -= kRows;
  }
  while (rows >= 4) {
    tile_product<4, kVectors, kTransposed>(o, add);
    o.a += 4 * a_row;
    o.z += 4 * o.z_stride;
    rows -= 4;
  }
  while (rows-- > 0) {
    tile_product<1, kVectors, kTransposed>(o, add);
    o.a += a_row;
    o.z += o.z_stride;
  }
}

constexpr int64_t kStretch = 128;  // depth of b that stays in the first-level cache

template <bool kTransposed>
GRADSTEP_INLINE void panel_product(ProductOperands o, int64_t rows, int vectors, bool add) {
  const int64_t depth = o.depth;
  for (int64_t k = 0; k < depth; k += kStretch) {
    o.depth = std::min(kStretch, depth - k);
    switch (vectors) {
      case 1:
        row_products<12, 1, kTransposed>(o, rows, add || k > 0);
        break;
      case 2:
        row_products<12, 2, kTransposed>(o, rows, add || k > 0);
        break;
      case 3:
        row_products<8, 3, kTransposed>(o, rows, add || k > 0);
        break;
      default:
        row_products<6, 4, kTransposed>(o, rows, add || k > 0);
        break;
    }
    o.a += kTransposed ? o.depth * o.a_stride : o.depth;
    o.b += o.depth * o.b_stride;
  }
}

constexpr int64_t kPanel = 4 * kLanes;

// m[point] = v[point] times the packed kernel's.
GRADSTEP_VECTORISED void products(const WinogradShape& s, const Plan& p, const float* v, const float* kernel,
                                  int64_t count, float* m) {
  for (int64_t point = 0; point < kPoints; point++) {
    for (int64_t column = 0; column < s.filters; column += kPanel) {
      const int64_t width = std::min(kPanel, s.filters - column);
      panel_product<false>(
          {v + point * p.patch_point, s.channels, kernel + point * p.kernel_point + column * s.channels, width,
           m + point * p.product_point + column, s.filters, kLanes, s.channels},
          count, static_cast<int>(width / kLanes), false);
    }
  }
}

// du[point] (+)= v[point] transposed times m[point].
GRADSTEP_VECTORISED void kernel_products(const WinogradShape& s, const Plan& p, const float* v, const float* m,
                                         int64_t count, float* du, bool add) {
  for (int64_t point = 0; point < kPoints; point++) {
    for (int64_t column = 0; column < s.filters; column += kPanel) {
      const int64_t width = std::min(kPanel, s.filters - column);
      panel_product<true>({v + point * p.patch_point, s.channels, m + point * p.product_point + column, s.filters,
                           du + point * p.kernel_point + column, s.filters, kLanes, count},
                          s.channels, static_cast<int>(width / kLanes), add);
    }
  }
}

// ---- Kernels

// Packs kernel rows begin … end - 1 (input channels of the product): [36][panel][channel][columns].
GRADSTEP_VECTORISED void pack_kernel(const WinogradShape& s, const Plan& p, const WinogradForward& f, float* kernel,
                                     int64_t begin, int64_t end) {
  const auto transform = [](const Lanes* from, Lanes* to) __attribute__((always_inline)) { evaluate_taps(from, to); };
  for (int64_t c = begin; c < end; c++) {
    for (int64_t column = 0; column < s.filters; column += kLanes) {
      const int64_t panel = column / kPanel * kPanel, width = std::min(kPanel, s.filters - panel);
      float* to = kernel + panel * s.channels + c * width + (column - panel);
      both_ways<3, 6>(
          transform,
          [&](int r, int k) __attribute__((always_inline)) {
            if (!f.transposed) return load_lanes(f.w + ((r * 3 + k) * s.channels + c) * s.filters + column);
            const float* from = f.w + (((2 - r) * 3 + (2 - k)) * s.filters + column) * s.channels + c;
            Lanes lanes;
            for (int l = 0; l < kLanes; l++) lanes[l] = from[l * s.channels];
            return lanes;
          },
          [&](int r, int k, Lanes value)
              __attribute__((always_inline)) { store_lanes(to + (r * kSide + k) * p.kernel_point, value); });
    }
  }
}

// dw of channels begin … end - 1 from the sum of all threads' du.
GRADSTEP_VECTORISED void unpack_kernel(const WinogradShape& s, const Plan& p, const float* du, int64_t du_thread,
                                       int parts, float* dw, bool accumulate, int64_t begin, int64_t end) {
  const auto transform = [](const Lanes* from, Lanes* to) __attribute__((always_inline)) {
    evaluate_taps_back(from, to);
  };
  for (int64_t c = begin; c < end; c++) {
    for (int64_t column = 0; column < s.filters; column += kLanes) {
      const float* from = du + c * s.filters + column;
      both_ways<6, 3>(
          transform,
          [&](int r, int k) __attribute__((always_inline)) {
            const float* at = from + (r * kSide + k) * p.kernel_point;
            Lanes sum = load_lanes(at);
            for (int part = 1; part < parts; part++) sum += load_lanes(at + part * du_thread);
            return sum;
          },
          [&](int r, int k, Lanes value) __attribute__((always_inline)) {
            float* to = dw + ((r * 3 + k) * s.channels + c) * s.filters + column;
            store_lanes(to, accumulate ? value + load_lanes(to) : value);
          });
    }
  }
}

// db (+)= the sum of dy.
template <typename Y>
GRADSTEP_VECTORISED void add_rows(const Y* dy, int64_t rows, int64_t filters, float* sums) {
  for (int64_t c = 0; c < filters; c += kLanes) store_lanes(sums + c, Lanes{});
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < filters; c += kLanes) {
      store_lanes(sums + c, load_lanes(sums + c) + load_lanes(dy + r * filters + c));
    }
  }
}

int parts_for(const Plan& p, int threads) {
  return static_cast<int>(std::clamp<int64_t>((p.tiles + p.block - 1) / p.block, 1, threads));
}

}  // namespace

bool winograd_pays(const WinogradShape& s) {
  return has_avx512() && s.channels % kLanes == 0 && s.filters % kLanes == 0 && s.channels * s.filters <= 256 * 256;
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
  parallel_ranges(s.channels, parts_of(s.channels * s.filters * kPoints, threads), 1,
                  [&](int, int64_t begin, int64_t end) { pack_kernel(s, p, f, kernel, begin, end); });
  parallel_ranges(p.tiles, parts_for(p, threads), p.block, [&](int part, int64_t begin, int64_t end) {
    float* v = blocks + part * p.thread_floats();
    float* m = v + kPoints * p.patch_point;
    for (int64_t at = begin; at < end; at += p.block) {
      const int64_t count = std::min(p.block, end - at);
      evaluate_patches<false>(s, p, f.x, at, count, v);
      products(s, p, v, kernel, count, m);
      results(s, p, f, at, count, m);
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
      as_operand(g.x, g.round, [&](auto round, auto* x) { evaluate_patches<round>(s, p, x, at, count, v); });
      as_operand(g.dy, g.round, [&](auto round, auto* dy) { evaluate_gradients<round>(s, p, dy, at, count, m); });
      kernel_products(s, p, v, m, count, du + part * du_thread, at > begin);
    }
  });
  parallel_ranges(s.channels, parts_of(s.channels * s.filters * kPoints, threads), 1,
                  [&](int, int64_t begin, int64_t end) {
                    unpack_kernel(s, p, du, du_thread, parts, g.dw, g.accumulate, begin, end);
                  });
  if (!g.db) return;
  const int64_t rows = s.n * s.out_h * s.out_w;
  const int sum_parts = parts_of(rows * s.filters, threads);
  typed(g.dy, [&](auto* dy) {
    parallel_ranges(rows, sum_parts, 1, [&](int part, int64_t begin, int64_t end) {
      add_rows(dy + begin * s.filters, end - begin, s.filters, blocks + part * s.filters);
    });
  });
  for (int64_t c = 0; c < s.filters; c++) {
    float sum = 0;
    for (int part = 0; part < sum_parts; part++) sum += blocks[part * s.filters + c];
    g.db[c] = sum;
  }
}

}  // namespace gradstep::cpu
