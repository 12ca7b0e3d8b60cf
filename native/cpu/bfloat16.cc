// See bfloat16.h.
#include "cpu/bfloat16.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void by_integers(uint16_t* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = bfloat16_bits(from[i]);
}

#if defined(__x86_64__)

// AVX512-BF16. The instruction takes subnormal numbers for zero, as all of this backend does.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) void by_instruction(uint16_t* to, const float* from,
                                                                                    int64_t n) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512bh halves = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i));
    _mm512_storeu_si512(to + i, (__m512i)halves);
  }
  for (; i < n; i += 16) {
    const int64_t left = n - i;
    const __mmask16 lanes = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
    const __m256bh halves = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, from + i));
    _mm256_mask_storeu_epi16(to + i, lanes, (__m256i)halves);
  }
}

bool has_instruction() {
  unsigned a, b, c, d;
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kAvx512Bf16) != 0;
}

#else

void by_instruction(uint16_t*, const float*, int64_t) {}
bool has_instruction() { return false; }

#endif

}  // namespace

void to_bfloat16(uint16_t* to, const float* from, int64_t n) {
  static const bool quick = has_instruction();
  if (quick) {
    by_instruction(to, from, n);
  } else {
    by_integers(to, from, n);
  }
}

GRADSTEP_VECTORISED void from_bfloat16(float* to, const uint16_t* from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = from_bfloat16(from[i]);
}

GRADSTEP_VECTORISED void round_to_bfloat16(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = round_to_bfloat16(from[i]);
}

}  // namespace gradstep::cpu
