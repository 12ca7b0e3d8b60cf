// A register of numbers and one of their places, as many as the processor's have (cpu/lanes.h), loaded as float32 from
// either type and stored as either, for kernels whose comparisons go through masks, which compilers do not find. For
// use inside in_lanes(), which inlines these.
#pragma once

#include <cstdint>

#include "cpu/lanes.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

namespace gradstep::cpu {

template <typename V>
struct Group;

#if defined(__x86_64__)
#define GRADSTEP_AVX512 __attribute__((target("avx512f")))
#define GRADSTEP_AVX2 __attribute__((target("avx2")))

template <>
struct Group<Lanes> {
  using Numbers = __m512;
  using Places = __m512i;

  GRADSTEP_AVX512 static Numbers load(const float* from) { return _mm512_loadu_ps(from); }

  GRADSTEP_AVX512 static Numbers load(const uint16_t* from) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }

  GRADSTEP_AVX512 static void store(float* to, Numbers v) { _mm512_storeu_ps(to, v); }

  // As bfloat16_bits().
  GRADSTEP_AVX512 static void store(uint16_t* to, Numbers v) {
    const __m512i bits = _mm512_castps_si512(v), upper = _mm512_srli_epi32(bits, 16);
    const __m512i tie = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), tie), 16);
    const __m512i halves =
        _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), upper, _mm512_set1_epi32(0x40));
    store_halves(to, halves);
  }

  // Of numbers that bfloat16 holds.
  GRADSTEP_AVX512 static void store_upper(uint16_t* to, Numbers v) {
    store_halves(to, _mm512_srli_epi32(_mm512_castps_si512(v), 16));
  }

  GRADSTEP_AVX512 static Places all_at(int32_t place) { return _mm512_set1_epi32(place); }

  GRADSTEP_AVX512 static Places load_places(const uint8_t* from) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }

  GRADSTEP_AVX512 static void store_places(uint8_t* to, Places places) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(places));
  }

  // As takes_lead (ops/pool.h): larger, or the first NaN.
  GRADSTEP_AVX512 static void take_lead(Numbers& lead, Places& winner, Numbers here, int32_t place) {
    const __mmask16 wins = _mm512_cmp_ps_mask(here, lead, _CMP_NLE_UQ) & _mm512_cmp_ps_mask(lead, lead, _CMP_ORD_Q);
    lead = _mm512_mask_mov_ps(lead, wins, here);
    winner = _mm512_mask_mov_epi32(winner, wins, _mm512_set1_epi32(place));
  }

  // `numbers` where their place is this one, else 0.
  GRADSTEP_AVX512 static Numbers only_at(Places places, int32_t place, Numbers numbers) {
    return _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(places, _mm512_set1_epi32(place)), numbers);
  }

  GRADSTEP_AVX512 static Numbers sum(Numbers a, Numbers b) { return _mm512_add_ps(a, b); }

 private:
  GRADSTEP_AVX512 static void store_halves(uint16_t* to, __m512i halves) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(halves));
  }
};

template <>
struct Group<EightLanes> {
  using Numbers = __m256;
  using Places = __m256i;

  GRADSTEP_AVX2 static Numbers load(const float* from) { return _mm256_loadu_ps(from); }

  GRADSTEP_AVX2 static Numbers load(const uint16_t* from) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }

  GRADSTEP_AVX2 static void store(float* to, Numbers v) { _mm256_storeu_ps(to, v); }

  GRADSTEP_AVX2 static void store(uint16_t* to, Numbers v) {
    const __m256i bits = _mm256_castps_si256(v), upper = _mm256_srli_epi32(bits, 16);
    const __m256i tie = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), tie), 16);
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halves(_mm256_blendv_epi8(rounded, quiet, nan)));
  }

  GRADSTEP_AVX2 static void store_upper(uint16_t* to, Numbers v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halves(_mm256_srli_epi32(_mm256_castps_si256(v), 16)));
  }

  GRADSTEP_AVX2 static Places all_at(int32_t place) { return _mm256_set1_epi32(place); }

  GRADSTEP_AVX2 static Places load_places(const uint8_t* from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  }

  GRADSTEP_AVX2 static void store_places(uint8_t* to, Places places) {
    const __m128i words = halves(places);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
  }

  GRADSTEP_AVX2 static void take_lead(Numbers& lead, Places& winner, Numbers here, int32_t place) {
    const __m256 wins = _mm256_and_ps(_mm256_cmp_ps(here, lead, _CMP_NLE_UQ), _mm256_cmp_ps(lead, lead, _CMP_ORD_Q));
    lead = _mm256_blendv_ps(lead, here, wins);
    winner = _mm256_blendv_epi8(winner, _mm256_set1_epi32(place), _mm256_castps_si256(wins));
  }

  GRADSTEP_AVX2 static Numbers only_at(Places places, int32_t place, Numbers numbers) {
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(places, _mm256_set1_epi32(place))), numbers);
  }

  GRADSTEP_AVX2 static Numbers sum(Numbers a, Numbers b) { return _mm256_add_ps(a, b); }

 private:
  // Words below 65,536 as halves, in order.
  GRADSTEP_AVX2 static __m128i halves(__m256i words) {
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0xd8));
  }
};
#endif

}  // namespace gradstep::cpu
