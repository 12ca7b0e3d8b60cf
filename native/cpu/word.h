// Elements of four bytes that are moved and never computed with: float32 and int32 alike.
#pragma once

#include <cstdint>
#include <cstring>

namespace gradstep::cpu {

using Word __attribute__((may_alias)) = uint32_t;

// Rows of a few elements are common (channels of an image), and a call costs more than they do.
inline void copy_words(Word* __restrict y, const Word* __restrict x, int64_t n) {
  if (n < 8) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i];
  } else {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(Word));
  }
}

}  // namespace gradstep::cpu
