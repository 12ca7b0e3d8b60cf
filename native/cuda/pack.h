// Several neighbouring elements of any type, moved by one aligned access: kWidth 1 where a row's length or start is
// odd.
#pragma once

#include <cuda_runtime.h>

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

}  // namespace gradstep::cuda
