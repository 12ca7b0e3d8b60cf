// See random_block.h. On AVX-512 sixteen counters go through Philox side by side: the compiler's own way with products
// of 32 bits takes twice as long.
#include "cpu/random_block.h"

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void plain_words(uint32_t* words, int64_t block, const int32_t* state, uint32_t stream) {
  for (int l = 0; l < kRandomLanes; l++) {
    const Philox4 w = random_words(static_cast<uint64_t>(block) * kRandomLanes + l, state, stream);
    for (int j = 0; j < kRandomWords; j++) words[j * kRandomLanes + l] = w.w[j];
  }
}

#if defined(__x86_64__)

#define GRADSTEP_AVX512 __attribute__((target("avx512f")))

// The product's halves, lane by lane; it is made of even and odd lanes apart.
GRADSTEP_AVX512 inline __attribute__((always_inline)) void multiply(__m512i a, __m512i factor, __m512i* high,
                                                                    __m512i* low) {
  constexpr __mmask16 kOdd = 0xaaaa, kEven = 0x5555;
  const __m512i even = _mm512_mul_epu32(a, factor);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), factor);
  *high = _mm512_mask_shuffle_epi32(odd, kEven, even, _MM_PERM_CDAB);
  *low = _mm512_mask_shuffle_epi32(even, kOdd, odd, _MM_PERM_CDAB);
}

GRADSTEP_AVX512 void vector_words(uint32_t* words, int64_t block, const int32_t* state, uint32_t stream) {
  constexpr int kXor = 0x96;  // of three operands
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const uint64_t draw = static_cast<uint64_t>(block) * kRandomLanes;  // no carry within a block
  __m512i c0 = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(draw)), lanes);
  __m512i c1 = _mm512_set1_epi32(static_cast<int32_t>(draw >> 32));
  __m512i c2 = _mm512_set1_epi32(state[kStateStep]), c3 = _mm512_setzero_si512();
  __m512i k0 = _mm512_set1_epi32(state[kStateSeedLow] ^ static_cast<int32_t>(stream));
  __m512i k1 = _mm512_set1_epi32(state[kStateSeedHigh]);
  const __m512i m0 = _mm512_set1_epi64(kPhiloxFactor0), m1 = _mm512_set1_epi64(kPhiloxFactor1);
  const __m512i w0 = _mm512_set1_epi32(static_cast<int32_t>(kPhiloxKey0));
  const __m512i w1 = _mm512_set1_epi32(static_cast<int32_t>(kPhiloxKey1));
  for (int round = 0; round < kPhiloxRounds; round++) {
    __m512i high0, low0, high1, low1;
    multiply(c0, m0, &high0, &low0);
    multiply(c2, m1, &high1, &low1);
    c0 = _mm512_ternarylogic_epi32(high1, c1, k0, kXor);
    c2 = _mm512_ternarylogic_epi32(high0, c3, k1, kXor);
    c1 = low1;
    c3 = low0;
    k0 = _mm512_add_epi32(k0, w0);
    k1 = _mm512_add_epi32(k1, w1);
  }
  _mm512_storeu_si512(words, c0);
  _mm512_storeu_si512(words + kRandomLanes, c1);
  _mm512_storeu_si512(words + 2 * kRandomLanes, c2);
  _mm512_storeu_si512(words + 3 * kRandomLanes, c3);
}

#else

void vector_words(uint32_t*, int64_t, const int32_t*, uint32_t) {}

#endif

}  // namespace

void word_block(uint32_t* words, int64_t block, const int32_t* state, uint32_t stream) {
  static const auto make = has_avx512() ? vector_words : plain_words;
  make(words, block, state, stream);
}

}  // namespace gradstep::cpu
