// What code on the tile units of x86 (AMX) begins with: the attribute of functions that use them, and their
// configuration. Only for files that tiles.h's has_tiles() guards.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
#define GRADSTEP_HAS_TILE_UNIT 1

// GCC warns of registers that its own header leaves undefined on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

#define GRADSTEP_TILES __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16")))

namespace gradstep::cpu {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The products may be called between others' uses of the tiles: oneDNN configures them for itself.
class TileScope {
 public:
  GRADSTEP_TILES TileScope() {
    static const TileConfig config;
    _tile_loadconfig(&config);
  }
  GRADSTEP_TILES ~TileScope() { _tile_release(); }
};

}  // namespace gradstep::cpu

#endif
