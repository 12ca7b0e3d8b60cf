// What native/cuda/ptx.cuh has for devices, lane by lane: see there what each function does and how lanes share a
// matrix. A warp's 32 lanes call them together.
#pragma once

#include <cstdint>

#include "emulation.h"

namespace emulation {

void mma_bfloat16(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE());
void mma_tf32(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
              const char* file = __builtin_FILE(), int line = __builtin_LINE());
void ldmatrix(uint32_t (&block)[4], const void* row, const char* file = __builtin_FILE(), int line = __builtin_LINE());
void ldmatrix_transposed(uint32_t (&block)[4], const void* row, const char* file = __builtin_FILE(),
                         int line = __builtin_LINE());
[[noreturn]] void trap(const char* file = __builtin_FILE(), int line = __builtin_LINE());
uint32_t round_to_bfloat16s(float low, float high);
uint32_t round_to_tf32(float x);

}  // namespace emulation
