// What code on tiles of bfloat16 begins with: the attribute of functions that use them, the configuration of the tile
// units (AMX), and vectors of bfloat16. Only for files that tiles.h's has_tiles() guards; of functions with the
// attribute those alone touch the units that say so.
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

#include "cpu/tiles.h"

#define GRADSTEP_TILES __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16")))
#define GRADSTEP_TILE_INLINE GRADSTEP_TILES inline __attribute__((always_inline))

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
    if (has_tile_units()) _tile_loadconfig(&config);
  }
  GRADSTEP_TILES ~TileScope() {
    if (has_tile_units()) _tile_release();
  }
};

// The first sixteen elements and the second, element by element side by side.
GRADSTEP_TILES inline __m512i interleaved(__m512i halves) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves);
}

// Two rows of 16 as a row of a product's second operand, rounded to bfloat16.
GRADSTEP_TILES inline __m512i pair_rows(__m512 first, __m512 second) {
  return interleaved((__m512i)_mm512_cvtne2ps_pbh(second, first));
}

// Sixteen float32 of what is stored in either type, and back.
GRADSTEP_TILES inline __m512 load_wide(__mmask16 lanes, const float* from) {
  return _mm512_maskz_loadu_ps(lanes, from);
}

GRADSTEP_TILES inline __m512 load_wide(__mmask16 lanes, const uint16_t* from) {
  const __m512i halves = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(halves, 16));
}

GRADSTEP_TILES inline void store_narrow(float* to, __mmask16 lanes, __m512 value) {
  _mm512_mask_storeu_ps(to, lanes, value);
}

GRADSTEP_TILES inline void store_narrow(uint16_t* to, __mmask16 lanes, __m512 value) {
  _mm256_mask_storeu_epi16(to, lanes, (__m256i)_mm512_cvtneps_pbh(value));
}

// Rows become columns, in elements of 32 bits.
GRADSTEP_TILES inline __attribute__((always_inline)) void transpose(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// The lanes of 16 channels, from `channel` on, that there are.
GRADSTEP_TILES inline __mmask16 lanes_of(int64_t channels, int64_t channel) {
  const int64_t left = channels - channel;
  return left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
}

}  // namespace gradstep::cpu

#endif
