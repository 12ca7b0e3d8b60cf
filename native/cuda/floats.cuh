// Numbers of a tensor that is stored in float32 or in bfloat16, where a kernel is not compiled for each: a branch
// tells, which all threads take alike. For what is read or written once, not for the inside of a product.
#pragma once

#include <cstring>

#include "cuda/bfloat16.h"
#include "cuda/prepare.h"
#include "cuda/ptx.cuh"

namespace gradstep::cuda {

struct Floats {
  void* data = nullptr;  // null: there are none
  bool narrow = false;   // bfloat16

  __host__ __device__ explicit operator bool() const { return data != nullptr; }
};

inline bool is_narrow(const Tensor& t) { return t.dtype == DType::kBfloat16; }

inline Floats floats_at(const Prepare& prepare, const Tensor& t) { return {prepare.at<void>(t), is_narrow(t)}; }

// kWidth neighbours from element `at` on.
template <int kWidth, typename Index>
__device__ inline Pack<float, kWidth> load_floats(const Floats& from, Index at) {
  if (from.narrow) return load_wide<kWidth>(static_cast<const Bfloat16*>(from.data) + at);
  return load_pack<kWidth>(static_cast<const float*>(from.data) + at);
}

template <int kWidth, typename Index>
__device__ inline void store_floats(const Floats& to, Index at, const Pack<float, kWidth>& values) {
  if (!to.narrow) {
    store_pack(static_cast<float*>(to.data) + at, values);
  } else if constexpr (kHasTensorCores && kWidth % 2 == 0) {
    // Rounds as store_narrow does, by one instruction for two numbers.
    uint32_t pairs[kWidth / 2];
#pragma unroll
    for (int i = 0; i < kWidth / 2; i++) pairs[i] = round_to_bfloat16s(values.v[2 * i], values.v[2 * i + 1]);
    Pack<Bfloat16, kWidth> pack;
    memcpy(&pack, pairs, sizeof pack);
    store_pack(static_cast<Bfloat16*>(to.data) + at, pack);
  } else {
    store_narrow(static_cast<Bfloat16*>(to.data) + at, values);
  }
}

}  // namespace gradstep::cuda
