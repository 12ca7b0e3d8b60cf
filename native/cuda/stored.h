// A tensor of which only the step knows whether it is float32 or bfloat16: every access asks. For mixtures of types
// that are too rare to have kernels of their own; kernels are templates over how they reach a tensor, which is float*,
// Bfloat16* or this.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "cuda/bfloat16.h"
#include "cuda/prepare.h"

namespace gradstep::cuda {

struct Stored {
  char* data;     // or null
  int32_t shift;  // an element has 1 << shift bytes

  __device__ explicit operator bool() const { return data != nullptr; }
  __device__ Stored operator+(int64_t elements) const { return {data + (elements << shift), shift}; }
  __device__ bool narrow() const { return shift == 1; }
};

template <int kWidth>
__device__ inline Pack<float, kWidth> load_wide(Stored from) {
  if (from.narrow()) return load_wide<kWidth>(reinterpret_cast<const Bfloat16*>(from.data));
  return load_wide<kWidth>(reinterpret_cast<const float*>(from.data));
}

template <int kWidth>
__device__ inline void store_narrow(Stored to, const Pack<float, kWidth>& wide) {
  if (to.narrow()) {
    store_narrow(reinterpret_cast<Bfloat16*>(to.data), wide);
  } else {
    store_narrow(reinterpret_cast<float*>(to.data), wide);
  }
}

// A tensor's address, of one of the three kinds.
template <typename At>
At address_of(const Prepare& prepare, const Tensor& tensor) {
  if constexpr (std::is_pointer_v<At>) {
    return prepare.at<std::remove_pointer_t<At>>(tensor);
  } else {
    return {prepare.at<char>(tensor), tensor.dtype == DType::kBfloat16 ? 1 : 2};
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
    const bool narrow = t->dtype == DType::kBfloat16;
    any = any || narrow;
    all = all && narrow;
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
