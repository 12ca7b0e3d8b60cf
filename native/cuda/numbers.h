// Numbers in memory that are float32 or bfloat16, which a kernel asks when it runs: all threads take the same branch,
// so that where arithmetic or memory takes the time one kernel serves both.
#pragma once

#include "cuda/bfloat16.h"
#include "generated/tensor.h"

namespace gradstep::cuda {

struct NumbersIn {
  const void* data;
  bool is_narrow;

  // kWidth of them by one aligned access.
  template <int kWidth>
  __device__ Pack<float, kWidth> load(int64_t at) const {
    return is_narrow ? load_wide<kWidth>(static_cast<const Bfloat16*>(data) + at)
                     : load_wide<kWidth>(static_cast<const float*>(data) + at);
  }
};

struct NumbersOut {
  void* data;
  bool is_narrow;

  template <int kWidth>
  __device__ void store(int64_t at, const Pack<float, kWidth>& values) const {
    if (is_narrow) {
      store_narrow(static_cast<Bfloat16*>(data) + at, values);
    } else {
      store_narrow(static_cast<float*>(data) + at, values);
    }
  }
};

}  // namespace gradstep::cuda
