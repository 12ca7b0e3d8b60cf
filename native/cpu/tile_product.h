// Matrix products in bfloat16 on the tile units of x86 (AMX), from float32 operands to float32 results: operands are
// rounded (to nearest, ties to even) as they are packed into tiles, once a call. Only for processors with has_tiles()
// (tiles.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

// y [m, n] (+)= a [m, k] times b [k, n], plus bias [n]; then relu; then 0 where mask [m, n] is not above 0. sums [n]
// are those of y's columns. A transposed operand lies as [k, m] or [n, k].
struct TileProduct {
  int64_t m, n, k;
  bool transpose_a, transpose_b, accumulate, relu;
  const float* a;
  const float* b;
  const float* bias;  // null: none, as of mask and sums
  const float* mask;
  float* y;
  float* sums;
};

size_t tile_product_bytes(const TileProduct& p, int threads);

void multiply_in_tiles(const TileProduct& p, void* workspace, int threads);

}  // namespace gradstep::cpu
