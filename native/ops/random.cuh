// How kernels that draw random numbers lay out their work: a thread makes one draw, whose four words belong to four
// elements, 16 apart (ops/random.h), so that a half-warp's accesses are whole 64-byte pieces.
#pragma once

#include "cuda/launch.h"
#include "ops/random.h"

namespace gradstep::cuda {

constexpr int kRandomThreads = 256;

struct RandomPlace {
  uint64_t draw;
  int64_t first;  // element of the draw's first word

  __device__ RandomPlace()
      : draw(static_cast<uint64_t>(blockIdx.x) * kRandomThreads + threadIdx.x),
        first(static_cast<int64_t>(draw / kRandomLanes * kRandomBlock + draw % kRandomLanes)) {}
};

inline dim3 random_grid(int64_t size) {
  return blocks_for((size + kRandomBlock - 1) / kRandomBlock * kRandomLanes, kRandomThreads);
}

}  // namespace gradstep::cuda
