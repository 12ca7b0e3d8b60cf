// See random_block.h. Counters go through Philox side by side, as many as a register holds: the compiler's own way with
// products of 32 bits takes two to four times as long.
#include "cpu/random_block.h"

#include <cstring>

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void plain_words(uint32_t* words, uint64_t draw, uint64_t stride, const int32_t* state,
                                     uint32_t stream) {
  for (int l = 0; l < kRandomLanes; l++) {
    const Philox4 w = random_words(draw + l * stride, state, stream);
    for (int j = 0; j < kRandomWords; j++) words[j * kRandomLanes + l] = w.w[j];
  }
}

#if defined(__x86_64__)

typedef uint32_t Sixteen __attribute__((vector_size(64)));
typedef uint32_t Eight __attribute__((vector_size(32)));

template <typename Words>
struct Halves {
  Words high, low;
};

// The products' halves, lane by lane; they are made of even and odd lanes apart.
__attribute__((target("avx512f"))) inline Halves<Sixteen> multiply(Sixteen words, uint32_t factor) {
  constexpr __mmask16 kOdd = 0xaaaa, kEven = 0x5555;
  const __m512i a = (__m512i)words, f = _mm512_set1_epi32(static_cast<int32_t>(factor));
  const __m512i even = _mm512_mul_epu32(a, f), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), f);
  return {(Sixteen)_mm512_mask_shuffle_epi32(odd, kEven, even, _MM_PERM_CDAB),
          (Sixteen)_mm512_mask_shuffle_epi32(even, kOdd, odd, _MM_PERM_CDAB)};
}

__attribute__((target("avx2"))) inline Halves<Eight> multiply(Eight words, uint32_t factor) {
  constexpr int kOdd = 0xaa, kSwap = 0xb1;
  const __m256i a = (__m256i)words, f = _mm256_set1_epi32(static_cast<int32_t>(factor));
  const __m256i even = _mm256_mul_epu32(a, f), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), f);
  return {(Eight)_mm256_blend_epi32(_mm256_shuffle_epi32(even, kSwap), odd, kOdd),
          (Eight)_mm256_blend_epi32(even, _mm256_shuffle_epi32(odd, kSwap), kOdd)};
}

// For functions of the right instruction set into which all of this is inlined. Draws have the same upper half.
template <typename Words>
inline void vector_words(uint32_t* words, uint64_t draw, uint64_t stride, const int32_t* state, uint32_t stream) {
  constexpr int kWidth = sizeof(Words) / sizeof(uint32_t), kGroups = kRandomLanes / kWidth;
  const Words zero = {};
  Words lanes, c[kGroups][kRandomWords];
  for (int l = 0; l < kWidth; l++) lanes[l] = l;
#pragma GCC unroll 2
  for (int g = 0; g < kGroups; g++) {
    c[g][0] = (lanes + g * kWidth) * static_cast<uint32_t>(stride) + static_cast<uint32_t>(draw);
    c[g][1] = zero + static_cast<uint32_t>(draw >> 32);
    c[g][2] = zero + static_cast<uint32_t>(state[kStateStep]);
    c[g][3] = zero;
  }
  uint32_t k0 = static_cast<uint32_t>(state[kStateSeedLow]) ^ stream;
  uint32_t k1 = static_cast<uint32_t>(state[kStateSeedHigh]);
  for (int round = 0; round < kPhiloxRounds; round++) {
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; g++) {
      const Halves<Words> first = multiply(c[g][0], kPhiloxFactor0), second = multiply(c[g][2], kPhiloxFactor1);
      c[g][0] = second.high ^ c[g][1] ^ k0;
      c[g][2] = first.high ^ c[g][3] ^ k1;
      c[g][1] = second.low;
      c[g][3] = first.low;
    }
    k0 += kPhiloxKey0;
    k1 += kPhiloxKey1;
  }
#pragma GCC unroll 2
  for (int g = 0; g < kGroups; g++) {
#pragma GCC unroll 4
    for (int j = 0; j < kRandomWords; j++) {
      std::memcpy(words + j * kRandomLanes + g * kWidth, &c[g][j], sizeof(Words));
    }
  }
}

__attribute__((target("avx512f"), flatten)) void in_sixteens(uint32_t* words, uint64_t draw, uint64_t stride,
                                                             const int32_t* state, uint32_t stream) {
  vector_words<Sixteen>(words, draw, stride, state, stream);
}

__attribute__((target("avx2"), flatten)) void in_eights(uint32_t* words, uint64_t draw, uint64_t stride,
                                                        const int32_t* state, uint32_t stream) {
  vector_words<Eight>(words, draw, stride, state, stream);
}

auto quickest() { return has_avx512() ? in_sixteens : __builtin_cpu_supports("avx2") ? in_eights : plain_words; }

#else

auto quickest() { return plain_words; }

#endif

}  // namespace

void draw_words(uint32_t* words, uint64_t draw, uint64_t stride, const int32_t* state, uint32_t stream) {
  static const auto make = quickest();
  const bool carries = (draw + (kRandomLanes - 1) * stride) >> 32 != draw >> 32;
  (carries ? plain_words : make)(words, draw, stride, state, stream);
}

}  // namespace gradstep::cpu
