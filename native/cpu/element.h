// Elements that are moved between arrays which may store them differently: words of four bytes (float32 and int32
// alike, word.h), or the 16 bits of bfloat16.
#pragma once

#include <type_traits>

#include "core/program.h"
#include "cpu/bfloat16.h"
#include "cpu/vector.h"
#include "cpu/word.h"

namespace gradstep::cpu {

inline float float_of(uint32_t word) {
  float x;
  std::memcpy(&x, &word, sizeof x);
  return x;
}

// One element as To stores it.
template <typename To>
inline To moved(To element) {
  return element;
}

template <typename To>
inline To moved(std::conditional_t<sizeof(To) == 2, uint32_t, uint16_t> element) {
  if constexpr (sizeof(To) == 2) return bfloat16_bits(float_of(element));
  if constexpr (sizeof(To) == 4) return static_cast<uint32_t>(element) << 16;
}

// y[0…n) = x[0…n). Rows of a few elements are common, and a call costs more than they do.
template <typename To, typename From>
inline void copy_elements(To* __restrict y, const From* __restrict x, int64_t n) {
  if (n < 8) {
    for (int64_t i = 0; i < n; i++) y[i] = moved<To>(x[i]);
  } else if constexpr (sizeof(To) == sizeof(From)) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(To));
  } else if constexpr (sizeof(To) == 2) {
    to_bfloat16(y, reinterpret_cast<const float*>(x), n);
  } else {
    from_bfloat16(reinterpret_cast<float*>(y), x, n);
  }
}

// y[0…n) += x[0…n), numbers.
template <typename To, typename From>
inline void add_elements(To* y, const From* x, int64_t n) {
  if constexpr (sizeof(To) == 4 && sizeof(From) == 4) {
    add(reinterpret_cast<float*>(y), reinterpret_cast<const float*>(x), n);
  } else {
    constexpr int64_t kBlock = 256;
    Word sums[kBlock], terms[kBlock];
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t count = std::min(kBlock, n - i);
      copy_elements(sums, y + i, count);
      copy_elements(terms, x + i, count);
      add(reinterpret_cast<float*>(sums), reinterpret_cast<const float*>(terms), count);
      copy_elements(y + i, sums, count);
    }
  }
}

template <typename To>
inline void zero_elements(To* y, int64_t n) {
  if (n > 0) std::memset(y, 0, static_cast<size_t>(n) * sizeof(To));
}

// body(To{}, From{}) with the types that two arrays are moved as.
template <typename Body>
auto with_elements(const Tensor& to, const Tensor& from, Body body) {
  const bool narrow = from.dtype == DType::kBfloat16;
  if (to.dtype == DType::kBfloat16) {
    return narrow ? body(uint16_t{}, uint16_t{}) : body(uint16_t{}, uint32_t{});
  }
  return narrow ? body(uint32_t{}, uint16_t{}) : body(uint32_t{}, uint32_t{});
}

}  // namespace gradstep::cpu
