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
