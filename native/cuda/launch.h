// How kernels are launched: through functions, so that the same source runs on a device and in the tests' emulation
// (which supplies its own <cuda_runtime.h>). `launch` is for kernels whose threads never wait for one another,
// `launch_cooperating` for kernels with __syncthreads, warp shuffles or shared memory.
#pragma once

#include <cuda_runtime.h>

#include "cuda/check.h"

namespace gradstep::cuda {

#if defined(GRADSTEP_CUDA_EMULATED)

template <typename... Params, typename... Args>
void launch(cudaStream_t stream, void (*kernel)(Params...), dim3 grid, dim3 block, Args... args) {
  emulation::enqueue(stream, [=] { emulation::run_grid(grid, block, 0, false, [&] { kernel(Params(args)...); }); });
}

template <typename... Params, typename... Args>
void launch_cooperating(cudaStream_t stream, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes, Args... args) {
  emulation::enqueue(stream, [=] { emulation::run_grid(grid, block, shared_bytes, true, [&] { kernel(Params(args)...); }); });
}

// The block's dynamic shared memory.
template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::dynamic_shared());
}

#else

template <typename... Params, typename... Args>
void launch_cooperating(cudaStream_t stream, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes, Args... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, Params(args)...));
}

template <typename... Params, typename... Args>
void launch(cudaStream_t stream, void (*kernel)(Params...), dim3 grid, dim3 block, Args... args) {
  launch_cooperating(stream, kernel, grid, block, 0, args...);
}

#ifdef __CUDACC__
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char gradstep_dynamic_shared[];
  return reinterpret_cast<T*>(gradstep_dynamic_shared);
}
#endif

#endif

}  // namespace gradstep::cuda
