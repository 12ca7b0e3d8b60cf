// A barrier for all blocks of a grid that was started by launch_at_once(): what threads wrote before it, all threads
// can read behind it, with __ldcg where a line may lie in the first-level cache since before. `arrivals` is zero when
// the kernel begins and counts up from barrier to barrier; `turn` counts a block's barriers from 1. Every thread must
// call it.
#pragma once

#include <cuda_runtime.h>

namespace gradstep::cuda {

#if defined(GRADSTEP_CUDA_EMULATED)

inline void grid_barrier(unsigned*, unsigned, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  emulation::sync_grid({file, line});
}

#elif defined(__CUDACC__)

__device__ inline void grid_barrier(unsigned* arrivals, unsigned turn) {
  __syncthreads();
  if (threadIdx.x == 0) {
    const unsigned wanted = turn * gridDim.x;
    __threadfence();
    atomicAdd(arrivals, 1u);
    while (static_cast<int>(*static_cast<volatile unsigned*>(arrivals) - wanted) < 0) {
    }
    __threadfence();
  }
  __syncthreads();
}

#endif

}  // namespace gradstep::cuda
