// Numbers for tests: between -1 and 1, the same for the same seed.
#pragma once

#include <cstdint>
#include <vector>

namespace gradstep::test {

inline std::vector<float> numbers(int64_t count, uint32_t seed) {
  std::vector<float> x(count);
  for (float& v : x) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) / (1 << 23) - 1.f;
  }
  return x;
}

}  // namespace gradstep::test
