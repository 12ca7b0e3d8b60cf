// See tiles.h. A panel is [depth / 32][vector][16 pairs][16 columns][2]: each tile of it is read front to back.
#include "cpu/tiles.h"

#include "cpu/tile_pack.h"

#ifdef GRADSTEP_HAS_TILE_UNIT
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gradstep::cpu {

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

bool may_use_tiles() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAvx512f = 1u << 16;
  if ((d & kAmxBf16) == 0 || (d & kAmxTile) == 0 || (b & kAvx512f) == 0) return false;
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & kAvx512Bf16) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// 16 rows times up to four vectors of a panel, all of its depth; sums in tiles 0 … 3.
template <int kVectors>
GRADSTEP_TILES void one_block(const uint16_t* panel, const uint16_t* rows, int64_t depth, float* z, int64_t z_vector) {
  const int64_t row_bytes = depth * 2;
  _tile_zero(0);
  if constexpr (kVectors > 1) _tile_zero(1);
  if constexpr (kVectors > 2) _tile_zero(2);
  if constexpr (kVectors > 3) _tile_zero(3);
  for (int64_t k = 0; k < depth; k += kTileDepth, panel += kVectors * kTile) {
    _tile_loadd(4, rows + k, row_bytes);
    _tile_loadd(5, panel, 64);
    _tile_dpbf16ps(0, 4, 5);
    if constexpr (kVectors > 1) {
      _tile_loadd(6, panel + kTile, 64);
      _tile_dpbf16ps(1, 4, 6);
    }
    if constexpr (kVectors > 2) {
      _tile_loadd(7, panel + 2 * kTile, 64);
      _tile_dpbf16ps(2, 4, 7);
    }
    if constexpr (kVectors > 3) {
      _tile_loadd(5, panel + 3 * kTile, 64);
      _tile_dpbf16ps(3, 4, 5);
    }
  }
  _tile_stored(0, z, 64);
  if constexpr (kVectors > 1) _tile_stored(1, z + z_vector, 64);
  if constexpr (kVectors > 2) _tile_stored(2, z + 2 * z_vector, 64);
  if constexpr (kVectors > 3) _tile_stored(3, z + 3 * z_vector, 64);
}

template <int kVectors>
GRADSTEP_TILES void all_blocks(const uint16_t* panel, const uint16_t* rows, int64_t count, int64_t depth, float* z,
                               int64_t z_vector) {
  for (int64_t r = 0; r < count; r += kTileRows) {
    one_block<kVectors>(panel, rows + r * depth, depth, z + r * 16, z_vector);
  }
}

}  // namespace

bool has_tiles() {
  static const bool has = may_use_tiles();
  return has;
}

GRADSTEP_TILES void pack_tiles(void* panel, const float* block, int64_t depth, int vectors, int vector) {
  uint16_t* to = static_cast<uint16_t*>(panel) + vector * kTile;
  for (int64_t k = 0; k < depth; k += kTileDepth, to += vectors * kTile) {
    pack_across(to, block + k * kSide, kSide, kSide, depth - k, false);
  }
}

GRADSTEP_TILES void pack_tile(void* panel, int64_t tile, const float* from, int64_t stride, int64_t columns,
                              int64_t depth, bool along) {
  uint16_t* const to = static_cast<uint16_t*>(panel) + tile * kTile;
  if (along) {
    pack_along(to, from, stride, columns, depth, true);
  } else {
    pack_across(to, from, stride, columns, depth, false);
  }
}

GRADSTEP_TILES void multiply_tiles(const void* panel, const void* rows, int64_t count, int64_t depth, int vectors,
                                   float* z, int64_t z_vector) {
  const TileScope scope;
  const uint16_t* columns = static_cast<const uint16_t*>(panel);
  const uint16_t* operand = static_cast<const uint16_t*>(rows);
  switch (vectors) {
    case 2:
      all_blocks<2>(columns, operand, count, depth, z, z_vector);
      break;
    case 3:
      all_blocks<3>(columns, operand, count, depth, z, z_vector);
      break;
    default:
      all_blocks<4>(columns, operand, count, depth, z, z_vector);
      break;
  }
}

#else

bool has_tiles() { return false; }
void pack_tiles(void*, const float*, int64_t, int, int) {}
void pack_tile(void*, int64_t, const float*, int64_t, int64_t, int64_t, bool) {}
void multiply_tiles(const void*, const void*, int64_t, int64_t, int, float*, int64_t) {}

#endif

}  // namespace gradstep::cpu
