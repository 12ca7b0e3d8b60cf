// Elements that are moved between arrays which may store them differently: as words of four bytes (float32 and int32
// alike), where they are stored in bfloat16 the words of the same float32.
#pragma once

#include "cuda/bfloat16.h"

namespace gradstep::cuda {

// kWidth elements by one aligned access, `at` elements behind the beginning of an array.
template <int kWidth>
__device__ inline Pack<uint32_t, kWidth> load_words(const void* array, int64_t at, bool narrow) {
  if (!narrow) return load_pack<kWidth>(static_cast<const uint32_t*>(array) + at);
  const auto pack = load_pack<kWidth>(static_cast<const uint16_t*>(array) + at);
  Pack<uint32_t, kWidth> words;
#pragma unroll
  for (int k = 0; k < kWidth; k++) words.v[k] = static_cast<uint32_t>(pack.v[k]) << 16;
  return words;
}

template <int kWidth>
__device__ inline void store_words(void* array, int64_t at, bool narrow, const Pack<uint32_t, kWidth>& words) {
  if (!narrow) {
    store_pack(static_cast<uint32_t*>(array) + at, words);
    return;
  }
  Pack<Bfloat16, kWidth> pack;
#pragma unroll
  for (int k = 0; k < kWidth; k++) pack.v[k] = narrowed<Bfloat16>(__uint_as_float(words.v[k]));
  store_pack(static_cast<Bfloat16*>(array) + at, pack);
}

}  // namespace gradstep::cuda
