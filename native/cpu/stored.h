// Numbers as a program stores them: float32, or bfloat16 on the way from layer to layer (lib/compile/narrow.ts). To
// kernels, which are templates over the type, bfloat16 is uint16_t.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/prepare.h"

namespace gradstep::cpu {

// `at` is null where there are none.
struct Stored {
  void* at = nullptr;
  DType dtype = DType::kFloat32;

  bool narrow() const { return dtype == DType::kBfloat16; }
  int64_t element_bytes() const { return narrow() ? sizeof(uint16_t) : sizeof(float); }
  const char* bytes_at(int64_t element) const { return static_cast<const char*>(at) + element * element_bytes(); }
  float* as_float32(int64_t element) const { return at ? static_cast<float*>(at) + element : nullptr; }
  uint16_t* as_bfloat16(int64_t element) const { return static_cast<uint16_t*>(at) + element; }
  explicit operator bool() const { return at != nullptr; }
};

inline Stored stored(const Prepare& prepare, const Tensor& t) { return {prepare.at<void>(t), t.dtype}; }

// body(pointer to elements).
template <typename Body>
void typed(const Stored& numbers, Body body) {
  if (numbers.narrow()) {
    body(static_cast<uint16_t*>(numbers.at));
  } else {
    body(static_cast<float*>(numbers.at));
  }
}

// body(whether it rounds to bfloat16 as it loads, pointer to elements).
template <typename Body>
void as_operand(const Stored& numbers, bool round, Body body) {
  if (numbers.narrow()) {
    body(std::false_type{}, static_cast<const uint16_t*>(numbers.at));
  } else if (round) {
    body(std::true_type{}, static_cast<const float*>(numbers.at));
  } else {
    body(std::false_type{}, static_cast<const float*>(numbers.at));
  }
}

}  // namespace gradstep::cpu
