// Orders of threads and blocks that follow from a seed.
#pragma once

#include <cstdint>
#include <numeric>

namespace emulation {

// splitmix64 (Steele et al. 2014).
inline uint64_t random(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// 0 … n−1 in another order: i → (i·step + start) mod n, step having no divisor in common with n. Seed 0: as they are.
class Order {
 public:
  Order(uint64_t n, uint64_t seed) : n_(n) {
    if (seed == 0 || n < 2) return;
    start_ = random(seed) % n;
    do step_ = 1 + random(seed) % n;
    while (std::gcd(step_, n) != 1);
  }
  uint64_t at(uint64_t i) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(i) * step_ + start_) % n_);
  }

 private:
  uint64_t n_, step_ = 1, start_ = 0;
};

}  // namespace emulation
