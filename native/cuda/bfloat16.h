// Numbers that are stored in bfloat16 and computed with in float32: the same names for loads and stores as of float32
// (cuda/vec.h, cuda/pack.h), so that a kernel is a template over the type. Rounded to nearest, ties to even; NaN stays
// NaN. From compute capability 8.0 on an instruction rounds two.
#pragma once

#include "cuda/pack.h"
#include "cuda/ptx.cuh"
#include "cuda/vec.h"

namespace gradstep::cuda {

struct Bfloat16 {
  uint16_t bits;
};

__device__ inline float widened(float x) { return x; }
__device__ inline float widened(Bfloat16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

// As T.
template <typename T>
__device__ inline T narrowed(float x);

template <>
__device__ inline float narrowed<float>(float x) {
  return x;
}

template <>
__device__ inline Bfloat16 narrowed<Bfloat16>(float x) {
  if (kHasTensorCores) return {static_cast<uint16_t>(round_to_bfloat16s(x, 0.f))};
  const uint32_t bits = __float_as_uint(x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return {static_cast<uint16_t>(x == x ? rounded : bits >> 16 | 0x40u)};
}

// kWidth numbers by one aligned access, 2·kWidth bytes.
template <int kWidth>
__device__ inline Pack<float, kWidth> load_wide(const Bfloat16* from) {
  const auto pack = load_pack<kWidth>(from);
  Pack<float, kWidth> wide;
#pragma unroll
  for (int k = 0; k < kWidth; k++) wide.v[k] = widened(pack.v[k]);
  return wide;
}

template <int kWidth>
__device__ inline Pack<float, kWidth> load_wide(const float* from) {
  return load_pack<kWidth>(from);
}

template <int kWidth>
__device__ inline void store_narrow(Bfloat16* to, const Pack<float, kWidth>& wide) {
  if constexpr (kHasTensorCores && kWidth % 2 == 0) {
    Pack<uint32_t, kWidth / 2> pairs;
#pragma unroll
    for (int k = 0; k < kWidth / 2; k++) pairs.v[k] = round_to_bfloat16s(wide.v[2 * k], wide.v[2 * k + 1]);
    store_pack(reinterpret_cast<uint32_t*>(to), pairs);
  } else {
    Pack<Bfloat16, kWidth> pack;
#pragma unroll
    for (int k = 0; k < kWidth; k++) pack.v[k] = narrowed<Bfloat16>(wide.v[k]);
    store_pack(to, pack);
  }
}

template <int kWidth>
__device__ inline void store_narrow(float* to, const Pack<float, kWidth>& wide) {
  store_pack(to, wide);
}

__device__ inline float4 load4(const Bfloat16* from) {
  const auto wide = load_wide<4>(from);
  return {wide.v[0], wide.v[1], wide.v[2], wide.v[3]};
}

__device__ inline void store4(Bfloat16* to, float4 value) {
  store_narrow(to, Pack<float, 4>{{value.x, value.y, value.z, value.w}});
}

}  // namespace gradstep::cuda
