// Numbers side by side in one register, in float32, also of what is stored in bfloat16: sixteen with AVX-512, eight
// with AVX2, which has half as many registers besides. A kernel is a template over the type, inlined throughout, and
// in_lanes() runs it as it was compiled for the processor at hand. (Compilers keep vectors wider than a register in
// memory.)
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/parallel.h"

namespace gradstep::cpu {

constexpr int64_t kLanes = 16;

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));
typedef float EightLanes __attribute__((vector_size(kLanes / 2 * sizeof(float))));

template <typename V>
constexpr int64_t kWidth = sizeof(V) / sizeof(float);

template <typename V>
struct LaneTypes {
  typedef uint32_t Bits __attribute__((vector_size(sizeof(V))));
  typedef uint16_t Halves __attribute__((vector_size(sizeof(V) / 2)));
};

template <typename V>
struct LaneTag {};

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// How many numbers a register holds here, for kernels that are worth it only in registers: 0 where there are none.
inline int64_t register_lanes() {
  if (__builtin_cpu_supports("x86-64-v4")) return kLanes;
  return __builtin_cpu_supports("x86-64-v3") ? kLanes / 2 : 0;
}

template <typename Body>
__attribute__((target("arch=x86-64-v4"), flatten)) void in_sixteen_lanes(const Body& body) {
  body(LaneTag<Lanes>());
}

template <typename Body>
__attribute__((target("arch=x86-64-v3"), flatten)) void in_eight_lanes(const Body& body) {
  body(LaneTag<EightLanes>());
}

// body(LaneTag<V>()), V being what a register holds; only where register_lanes() is not 0. All that it calls is
// inlined, as a function is compiled for an instruction set with what is inlined into it.
template <typename Body>
void in_lanes(const Body& body) {
  register_lanes() == kLanes ? in_sixteen_lanes(body) : in_eight_lanes(body);
}
#else
inline int64_t register_lanes() { return 0; }

template <typename Body>
void in_sixteen_lanes(const Body&) {}

template <typename Body>
void in_eight_lanes(const Body&) {}

template <typename Body>
void in_lanes(const Body&) {}
#endif

template <typename V = Lanes>
GRADSTEP_INLINE V load_lanes(const float* from) {
  V lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

template <typename V = Lanes>
GRADSTEP_INLINE V load_lanes(const uint16_t* from) {
  typename LaneTypes<V>::Halves halves;
  memcpy(&halves, from, sizeof halves);
  return reinterpret_cast<V>(__builtin_convertvector(halves, typename LaneTypes<V>::Bits) << 16);
}

template <typename V>
GRADSTEP_INLINE void store_lanes(float* to, V lanes) {
  memcpy(to, &lanes, sizeof lanes);
}

// Rounds as bfloat16_bits (bfloat16.h) does.
template <typename V>
GRADSTEP_INLINE void store_lanes(uint16_t* to, V lanes) {
  using Bits = typename LaneTypes<V>::Bits;
  const Bits bits = reinterpret_cast<Bits>(lanes), nearest = bits + 0x7fffu + (bits >> 16 & 1u);
  const auto halves =
      __builtin_convertvector((lanes == lanes ? nearest : bits | 0x400000u) >> 16, typename LaneTypes<V>::Halves);
  memcpy(to, &halves, sizeof halves);
}

// To bfloat16, as round_to_bfloat16 (bfloat16.h) does numbers, infinities and the NaN that arithmetic makes.
template <typename V>
GRADSTEP_INLINE V rounded(V lanes) {
  using Bits = typename LaneTypes<V>::Bits;
  const Bits bits = reinterpret_cast<Bits>(lanes);
  return reinterpret_cast<V>((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u);
}

// Operands of products: as they are, or rounded as they are loaded, where they are not stored so.
template <typename V, bool kRound>
GRADSTEP_INLINE V load_operand(const float* from) {
  const V lanes = load_lanes<V>(from);
  return kRound ? rounded(lanes) : lanes;
}

template <typename V, bool>
GRADSTEP_INLINE V load_operand(const uint16_t* from) {
  return load_lanes<V>(from);
}

}  // namespace gradstep::cpu
