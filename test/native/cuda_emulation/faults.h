// What the tests may ask of the emulated runtime: that a call of it fails, which one that was, and what is still alive.
#pragma once

#include <cstdint>
#include <string>

#include "cuda_runtime.h"

namespace emulation {

enum class Fault { kOnce, kFromThenOn };

// The n-th call from now on, counted from 1, fails with `error`; so do all later ones where the fault says so. It does
// nothing then, unless it is a call that lets something go: CUDA's tell so of what failed before, and do their work.
void fail_call(uint64_t n, cudaError_t error, Fault fault);
void fail_no_call();
// The call that was made to fail, the first one where there are several; empty: there was none.
std::string failed_call();

// What was handed out and not given back, such as "2 device allocations, 1 stream"; empty: nothing. A stream that is
// destroyed while it is captured leaves its capture behind.
std::string alive();

}  // namespace emulation
