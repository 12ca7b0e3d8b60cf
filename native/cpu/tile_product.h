// Matrix products in bfloat16 by tiles. What is stored in float32 of the operands is rounded (to
// nearest, ties to even) as it is packed into tiles, once a call; results are float32 until they are stored, in either
// type. Only for processors with has_tiles() (tiles.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/stored.h"

namespace gradstep::cpu {

// y [m, n] (+)= a [m, k] times b [k, n], plus bias [n]; then relu; then 0 where mask [m, n] is not above 0. sums [n]
// are those of y's columns. A transposed operand lies as [k, m] or [n, k].
struct TileProduct {
  int64_t m, n, k;
  bool transpose_a, transpose_b, accumulate, relu;
  Stored a, b, mask, y;
  const float* bias;  // null: none, as of sums
  float* sums;        // of what is not rounded
};

size_t tile_product_bytes(const TileProduct& p, int threads);

void multiply_in_tiles(const TileProduct& p, void* workspace, int threads);

}  // namespace gradstep::cpu
