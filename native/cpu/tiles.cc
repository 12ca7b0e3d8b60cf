// See tiles.h. A panel is [depth / 32][vector][16 pairs][16 columns][2]: each tile of it is read front to back.
#include "cpu/tiles.h"

#include "cpu/tile_pack.h"
#include "cpu/tile_vectors.h"

#ifdef GRADSTEP_HAS_TILE_UNIT
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gradstep::cpu {

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

TileForm find_form() {
  __builtin_cpu_init();  // it asks the system, too, whether it keeps the registers
  for (const bool has : {__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"),
                         __builtin_cpu_supports("avx512vl"), __builtin_cpu_supports("avx512bf16")}) {
    if (!has) return TileForm::kNone;
  }
  unsigned a, b, c, d;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  const bool has_units = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kAmxBf16) != 0 && (d & kAmxTile) != 0;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  const bool may_use = has_units && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return may_use ? TileForm::kUnits : TileForm::kVectors;
}

// Up to 16 rows times up to four vectors of a panel, all of its depth; sums in tiles 0 … 3.
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

// The same without tile units: kRows rows, kTogether vectors at a time.
template <int kVectors, int kRows, int kTogether>
GRADSTEP_TILE_INLINE void rows_in_vectors(const uint16_t* panel, const uint16_t* rows, int64_t depth, float* z,
                                          int64_t z_vector) {
  const auto row_tile = [&](int64_t step) { return rows + step * kTileDepth; };
  for (int v = 0; v + kTogether <= kVectors; v += kTogether) {
    multiply_in_vectors<false, kRows, kTogether>(row_tile, depth, {panel + v * kTile, kTile, kVectors * kTile},
                                                 depth / kTileDepth, {z + v * z_vector, kTileRows, z_vector});
  }
  if constexpr (kVectors % kTogether != 0) {
    constexpr int v = kVectors / kTogether * kTogether;
    multiply_in_vectors<false, kRows, kVectors - v>(row_tile, depth, {panel + v * kTile, kTile, kVectors * kTile},
                                                    depth / kTileDepth, {z + v * z_vector, kTileRows, z_vector});
  }
}

template <int kVectors>
GRADSTEP_TILES void one_block_in_vectors(const uint16_t* panel, const uint16_t* rows, int64_t count, int64_t depth,
                                         float* z, int64_t z_vector) {
  if (count > 12) return rows_in_vectors<kVectors, 16, 1>(panel, rows, depth, z, z_vector);
  if (count > 8) return rows_in_vectors<kVectors, 12, 2>(panel, rows, depth, z, z_vector);
  if (count > 4) return rows_in_vectors<kVectors, 8, 3>(panel, rows, depth, z, z_vector);
  if (count > 2) return rows_in_vectors<kVectors, 4, 4>(panel, rows, depth, z, z_vector);
  return rows_in_vectors<kVectors, 2, 4>(panel, rows, depth, z, z_vector);
}

template <int kVectors>
GRADSTEP_TILES void all_blocks(const uint16_t* panel, const uint16_t* rows, int64_t count, int64_t depth, float* z,
                               int64_t z_vector) {
  const bool units = has_tile_units();
  for (int64_t r = 0; r < count; r += kTileRows) {
    const uint16_t* from = rows + r * depth;
    float* to = z + r * kTileRows;
    if (units) {
      one_block<kVectors>(panel, from, depth, to, z_vector);
    } else {
      one_block_in_vectors<kVectors>(panel, from, count - r, depth, to, z_vector);
    }
  }
}

}  // namespace

TileForm tile_form() {
  static const TileForm form = find_form();
  return form;
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

TileForm tile_form() { return TileForm::kNone; }
void pack_tiles(void*, const float*, int64_t, int, int) {}
void pack_tile(void*, int64_t, const float*, int64_t, int64_t, int64_t, bool) {}
void multiply_tiles(const void*, const void*, int64_t, int64_t, int, float*, int64_t) {}

#endif

}  // namespace gradstep::cpu
