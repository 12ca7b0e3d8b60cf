// Division by a number that is known when a step is prepared: one multiplication and a shift instead of the two dozen
// instructions of an integer division (Granlund & Montgomery 1994, with the multiplier rounded up).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace gradstep::cuda {

class Divider {
 public:
  Divider() = default;
  // 1 <= divisor < 2^31.
  explicit Divider(uint32_t divisor) : divisor_(divisor) {
    while ((uint64_t{1} << shift_) < divisor) shift_++;
    multiplier_ = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift_) - divisor)) / divisor + 1);
  }

  // Exact for 0 <= n < 2^31.
  __host__ __device__ uint32_t quotient(uint32_t n) const {
    const uint32_t high = static_cast<uint32_t>((static_cast<uint64_t>(n) * multiplier_) >> 32);
    return (high + n) >> shift_;
  }

  // n = quotient * divisor + remainder; returns the quotient.
  __host__ __device__ uint32_t divide(uint32_t n, uint32_t& remainder) const {
    const uint32_t q = quotient(n);
    remainder = n - q * divisor_;
    return q;
  }

 private:
  uint32_t divisor_ = 1, multiplier_ = 1, shift_ = 0;
};

}  // namespace gradstep::cuda
