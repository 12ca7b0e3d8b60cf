// A barrier for some blocks of a grid that was started by launch_at_once(): the group of those that count their
// arrivals in one place, which is zero when the kernel begins. What a block's threads wrote before arrive(), all
// threads of the group can read behind the next wait(), with __ldcg where a line may lie in the first-level cache since
// before; in between a thread may do what waits for nobody. Every thread must call both, in turns.
#pragma once

#include <cuda_runtime.h>

#include "cuda/ptx.cuh"

namespace gradstep::cuda {

class GroupBarrier {
 public:
  // Of so many blocks.
  __device__ GroupBarrier(unsigned* arrivals, unsigned blocks) : arrivals_(arrivals), blocks_(blocks) {}

  __device__ void arrive() {
    __syncthreads();
    if (threadIdx.x == 0) count_release(arrivals_);
    wanted_ += blocks_;
  }

  __device__ void wait() const {
    if (threadIdx.x == 0) await_acquire(arrivals_, wanted_);
    __syncthreads();
  }

 private:
  unsigned* arrivals_;
  unsigned blocks_, wanted_ = 0;
};

}  // namespace gradstep::cuda
