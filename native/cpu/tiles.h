// Products of tiles of bfloat16: 16 x 32 times 32 x 16 into 16 x 16 float32, on the tile units of x86 (AMX) or on
// vectors that multiply pairs of bfloat16 (AVX-512 BF16). Everywhere else has_tiles() is false and nothing here may be
// called.
#pragma once

#include <cstdint>

namespace gradstep::cpu {

constexpr int64_t kTileDepth = 32;  // the depth is a multiple of this
constexpr int64_t kTileRows = 16;   // rows of a tile

// What multiplies them: the tile units where the processor has them and the system lets this process use them. Asks
// once.
enum class TileForm { kNone, kVectors, kUnits };
TileForm tile_form();

inline bool has_tiles() { return tile_form() != TileForm::kNone; }
// Asked in the midst of products.
inline bool has_tile_units() {
  static const bool units = tile_form() == TileForm::kUnits;
  return units;
}

// Packs block [depth][16] as vector `vector` of a panel of `vectors`: pairs of depths side by side.
void pack_tiles(void* panel, const float* block, int64_t depth, int vectors, int vector);

// Packs a tile of a panel, tiles being counted as they lie: up to 16 columns and 32 of their depth, zeros beyond.
// `along`: a column has its depth side by side and the next one lies `stride` on; otherwise the other way round.
void pack_tile(void* panel, int64_t tile, const float* from, int64_t stride, int64_t columns, int64_t depth,
               bool along);

// z[vector][row][16] = rows [rows][depth] times a panel; vectors `z_vector` floats apart. Rows are read, and z written,
// up to a multiple of kTileRows.
void multiply_tiles(const void* panel, const void* rows, int64_t count, int64_t depth, int vectors, float* z,
                    int64_t z_vector);

}  // namespace gradstep::cpu
