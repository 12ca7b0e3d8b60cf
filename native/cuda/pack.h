// Several neighbouring elements of any type, moved by one aligned access: kWidth 1 where a row's length or start is
// odd.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace gradstep::cuda {

template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T v[kWidth];
};

template <int kWidth, typename T>
__device__ inline Pack<T, kWidth> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, kWidth>*>(from);
}

template <int kWidth, typename T>
__device__ inline void store_pack(T* to, const Pack<T, kWidth>& pack) {
  *reinterpret_cast<Pack<T, kWidth>*>(to) = pack;
}

// kWidth elements of an array, or of `otherwise` where there is none.
template <int kWidth>
__device__ inline Pack<float, kWidth> load_or(const float* from, int64_t at, float otherwise) {
  if (from) return load_pack<kWidth>(from + at);
  Pack<float, kWidth> pack;
#pragma unroll
  for (int k = 0; k < kWidth; k++) pack.v[k] = otherwise;
  return pack;
}

}  // namespace gradstep::cuda
