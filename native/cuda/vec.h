// Four floats at a time: 16-byte loads and stores. Tensors begin at multiples of 64 bytes (lib/compile/arena.ts), so a
// row may be read this way exactly when its length divides by four.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace gradstep::cuda {

// Whether every address divides by 16. Null counts as aligned.
template <typename... T>
inline bool aligned16(const T*... address) {
  return ((reinterpret_cast<uintptr_t>(address) % 16 == 0) && ...);
}

__device__ inline float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ inline void store4(float* to, float4 value) { *reinterpret_cast<float4*>(to) = value; }

// Element k of four, k known when compiled.
template <int k>
__device__ inline float& element(float4& v) {
  static_assert(k >= 0 && k < 4, "four elements");
  if constexpr (k == 0) return v.x;
  if constexpr (k == 1) return v.y;
  if constexpr (k == 2) return v.z;
  return v.w;
}

}  // namespace gradstep::cuda
