// A tensor of which only the step knows whether it is float32 or bfloat16: every access asks, and all threads take the
// same branch. For what is read or written once, and for mixtures of types that are too rare to have kernels of their
// own; not for the inside of a product. Kernels may be templates over how they reach a tensor: float*, Bfloat16*, this.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "cuda/bfloat16.h"
#include "cuda/prepare.h"

namespace gradstep::cuda {

struct Stored {
  void* data = nullptr;  // null: there is none
  bool narrow = false;   // bfloat16

  __host__ __device__ explicit operator bool() const { return data != nullptr; }
  __host__ __device__ Stored operator+(int64_t elements) const {
    return {static_cast<char*>(data) + (elements << (narrow ? 1 : 2)), narrow};
  }
};

inline bool is_narrow(const Tensor& t) { return t.present() && t.dtype == DType::kBfloat16; }

inline Stored stored(const Prepare& prepare, const Tensor& t) { return {prepare.at<void>(t), is_narrow(t)}; }

template <int kWidth>
__device__ inline Pack<float, kWidth> load_wide(const Stored& from) {
  if (from.narrow) return load_wide<kWidth>(static_cast<const Bfloat16*>(from.data));
  return load_wide<kWidth>(static_cast<const float*>(from.data));
}

template <int kWidth>
__device__ inline void store_narrow(const Stored& to, const Pack<float, kWidth>& wide) {
  if (to.narrow) {
    store_narrow(static_cast<Bfloat16*>(to.data), wide);
  } else {
    store_narrow(static_cast<float*>(to.data), wide);
  }
}

// Numbers as they lie in memory: what loads them waits for nothing, so that several loads are under way at once.
template <int kWidth>
struct StoredPack {
  Pack<uint32_t, kWidth> words;  // in bfloat16 two numbers a word, or one

  __device__ Pack<float, kWidth> wide(bool narrow) const {
    Pack<float, kWidth> wide;
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      const uint32_t pair = words.v[k / 2];
      wide.v[k] = __uint_as_float(!narrow ? words.v[k] : k % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
    }
    return wide;
  }
};

// From element `at` on; zeros where there is no tensor.
template <int kWidth>
__device__ inline StoredPack<kWidth> load_stored(const Stored& from, int64_t at) {
  StoredPack<kWidth> pack{};
  if (!from) return pack;
  const void* const there = (from + at).data;
  if (!from.narrow) {
    pack.words = load_pack<kWidth>(static_cast<const uint32_t*>(there));
  } else if constexpr (kWidth == 1) {
    pack.words.v[0] = *static_cast<const uint16_t*>(there);
  } else {
    const auto pairs = load_pack<kWidth / 2>(static_cast<const uint32_t*>(there));
#pragma unroll
    for (int k = 0; k < kWidth / 2; k++) pack.words.v[k] = pairs.v[k];
  }
  return pack;
}

// A tensor's address, of one of the three kinds.
template <typename At>
At address_of(const Prepare& prepare, const Tensor& tensor) {
  if constexpr (std::is_pointer_v<At>) {
    return prepare.at<std::remove_pointer_t<At>>(tensor);
  } else {
    return stored(prepare, tensor);
  }
}

// How kernels reach tensors of rows of one length: packs of kPack elements at addresses of type At.
template <int kPack, typename At>
struct Access {};

// make(Access) for these tensors: all float32, all bfloat16 by eights, or anything else by kernels that ask.
template <typename Make>
Step by_access(int64_t length, std::initializer_list<const Tensor*> tensors, Make make) {
  bool any = false, all = true;
  for (const Tensor* t : tensors) {
    if (!t->present()) continue;
    any = any || is_narrow(*t);
    all = all && is_narrow(*t);
  }
  const bool fours = length % 4 == 0;
  if (!any) return fours ? make(Access<4, float*>{}) : make(Access<1, float*>{});
  if (all && length % 8 == 0) return make(Access<8, Bfloat16*>{});
  return fours ? make(Access<4, Stored>{}) : make(Access<1, Stored>{});
}

// Whether there are kernels for each attribute, or one that asks.
template <typename At>
constexpr bool kIsCommon = std::is_pointer_v<At>;

}  // namespace gradstep::cuda
