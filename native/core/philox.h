// Philox4x32-10 (Salmon et al. 2011): four random words from a counter and a key, the same on every device. Streams are
// keyed (seed, stream), counters are (element block, step), so no result depends on the order of execution.
#pragma once

#include <cstdint>

#if defined(__CUDACC__) || defined(GRADSTEP_CUDA_EMULATED)
#define GRADSTEP_HD __host__ __device__
#else
#define GRADSTEP_HD
#endif

namespace gradstep {

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxFactor0 = 0xD2511F53u, kPhiloxFactor1 = 0xCD9E8D57u;
constexpr uint32_t kPhiloxKey0 = 0x9E3779B9u, kPhiloxKey1 = 0xBB67AE85u;

struct Philox4 {
  uint32_t w[4];
};

GRADSTEP_HD inline Philox4 philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < kPhiloxRounds; round++) {
    const uint64_t p0 = static_cast<uint64_t>(kPhiloxFactor0) * c0;
    const uint64_t p1 = static_cast<uint64_t>(kPhiloxFactor1) * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = static_cast<uint32_t>(p1);
    c2 = n2;
    c3 = static_cast<uint32_t>(p0);
    k0 += kPhiloxKey0;
    k1 += kPhiloxKey1;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace gradstep
