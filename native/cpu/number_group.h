// Sixteen numbers in a vector of AVX-512, loaded as float32 from either type and stored as either, for kernels whose
// comparisons go through masks, which compilers do not find.
#pragma once

#include <cstdint>

#include "cpu/parallel.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

namespace gradstep::cpu {

constexpr int64_t kGroup = 16;

#if defined(__x86_64__)
#define GRADSTEP_AVX512 __attribute__((target("avx512f")))

GRADSTEP_AVX512 GRADSTEP_INLINE __m512 load_group(const float* from) { return _mm512_loadu_ps(from); }

GRADSTEP_AVX512 GRADSTEP_INLINE __m512 load_group(const uint16_t* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

GRADSTEP_AVX512 GRADSTEP_INLINE void store_group(float* to, __m512 v) { _mm512_storeu_ps(to, v); }

GRADSTEP_AVX512 GRADSTEP_INLINE void store_halves(uint16_t* to, __m512i halves) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(halves));
}

// As bfloat16_bits().
GRADSTEP_AVX512 GRADSTEP_INLINE void store_group(uint16_t* to, __m512 v) {
  const __m512i bits = _mm512_castps_si512(v), upper = _mm512_srli_epi32(bits, 16);
  const __m512i tie = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), tie), 16);
  const __m512i halves =
      _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), upper, _mm512_set1_epi32(0x40));
  store_halves(to, halves);
}

#endif

}  // namespace gradstep::cpu
