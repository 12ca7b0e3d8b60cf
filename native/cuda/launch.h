// How kernels are launched: through functions, so that the same source runs on a device and in the tests' emulation
// (which supplies its own <cuda_runtime.h>). `launch` is for kernels whose threads never wait for one another,
// `launch_cooperating` for kernels with __syncthreads, warp collectives or shared memory, `launch_at_once` for those
// whose blocks wait for one another (group_barrier.h): all must fit on the device at a time. `launch_clusters` is for
// those whose blocks wait for the others of their cluster and store in their shared memory (ptx.cuh): each cluster
// begins as a whole, `cluster` neighbouring blocks, by which the grid's divide; active_clusters() tells whether it can.
// A launch that is refused throws, naming the place it was written at.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/check.h"

namespace gradstep::cuda {

// Threads of a block, where a kernel has no reason to want more or fewer.
constexpr int kThreads = 256;

// The stream, and where the launch is written; made by the implicit conversion from a stream.
struct LaunchOn {
  cudaStream_t stream;
  const char* file;
  int line;
  LaunchOn(cudaStream_t on, const char* at_file = __builtin_FILE(), int at_line = __builtin_LINE())
      : stream(on), file(at_file), line(at_line) {}
};

// Blocks needed so that every one of `items` is somebody's: at least one, never more than a grid's x may be.
inline dim3 blocks_for(int64_t items, int64_t items_per_block) {
  const int64_t n = (items + items_per_block - 1) / items_per_block;
  return dim3(static_cast<unsigned>(n < 1 ? 1 : (n > 0x7fffffff ? 0x7fffffff : n)));
}

#if defined(GRADSTEP_CUDA_EMULATED)

template <typename... Params, typename... Args>
void launch_cooperating(LaunchOn on, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes,
                        Args... args) {
  check(emulation::enqueue_kernel(on.stream, reinterpret_cast<const void*>(kernel), {on.file, on.line}, grid, block,
                                  shared_bytes, emulation::Meeting::kBlock, 0,
                                  [=] { kernel(static_cast<Params>(args)...); }),
        "launch_cooperating", on.file, on.line);
}

template <typename... Params, typename... Args>
void launch_at_once(LaunchOn on, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes, Args... args) {
  check(emulation::enqueue_kernel(on.stream, reinterpret_cast<const void*>(kernel), {on.file, on.line}, grid, block,
                                  shared_bytes, emulation::Meeting::kGrid, 0,
                                  [=] { kernel(static_cast<Params>(args)...); }),
        "launch_at_once", on.file, on.line);
}

template <typename... Params, typename... Args>
void launch_clusters(LaunchOn on, void (*kernel)(Params...), dim3 grid, unsigned cluster, dim3 block,
                     size_t shared_bytes, Args... args) {
  check(emulation::enqueue_kernel(on.stream, reinterpret_cast<const void*>(kernel), {on.file, on.line}, grid, block,
                                  shared_bytes, emulation::Meeting::kCluster, cluster,
                                  [=] { kernel(static_cast<Params>(args)...); }),
        "launch_clusters", on.file, on.line);
}

template <typename... Params>
cudaError_t max_active_clusters(int* clusters, void (*kernel)(Params...), unsigned cluster, dim3, size_t shared_bytes) {
  return emulation::max_active_clusters(clusters, reinterpret_cast<const void*>(kernel), cluster, shared_bytes);
}

template <typename... Params, typename... Args>
void launch(LaunchOn on, void (*kernel)(Params...), dim3 grid, dim3 block, Args... args) {
  check(emulation::enqueue_kernel(on.stream, reinterpret_cast<const void*>(kernel), {on.file, on.line}, grid, block, 0,
                                  emulation::Meeting::kNone, 0, [=] { kernel(static_cast<Params>(args)...); }),
        "launch", on.file, on.line);
}

// The block's dynamic shared memory.
template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::dynamic_shared());
}

#elif defined(__CUDACC__)

// `attribute`, or null: none, must outlive what is returned.
inline cudaLaunchConfig_t launch_config(cudaStream_t stream, dim3 grid, dim3 block, size_t shared_bytes,
                                        cudaLaunchAttribute* attribute = nullptr) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = attribute;
  config.numAttrs = attribute == nullptr ? 0 : 1;
  return config;
}

template <typename... Params, typename... Args>
void launch_cooperating(LaunchOn on, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes,
                        Args... args) {
  const cudaLaunchConfig_t config = launch_config(on.stream, grid, block, shared_bytes);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...), "launch_cooperating", on.file, on.line);
}

template <typename... Params, typename... Args>
void launch_at_once(LaunchOn on, void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes, Args... args) {
  cudaLaunchAttribute cooperative{};
  cooperative.id = cudaLaunchAttributeCooperative;
  cooperative.val.cooperative = 1;
  const cudaLaunchConfig_t config = launch_config(on.stream, grid, block, shared_bytes, &cooperative);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...), "launch_at_once", on.file, on.line);
}

inline cudaLaunchAttribute cluster_of(unsigned blocks) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = blocks;
  attribute.val.clusterDim.y = 1;
  attribute.val.clusterDim.z = 1;
  return attribute;
}

template <typename... Params, typename... Args>
void launch_clusters(LaunchOn on, void (*kernel)(Params...), dim3 grid, unsigned cluster, dim3 block,
                     size_t shared_bytes, Args... args) {
  cudaLaunchAttribute attribute = cluster_of(cluster);
  const cudaLaunchConfig_t config = launch_config(on.stream, grid, block, shared_bytes, &attribute);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...), "launch_clusters", on.file, on.line);
}

template <typename... Params>
cudaError_t max_active_clusters(int* clusters, void (*kernel)(Params...), unsigned cluster, dim3 block,
                                size_t shared_bytes) {
  cudaLaunchAttribute attribute = cluster_of(cluster);
  const cudaLaunchConfig_t config = launch_config(nullptr, dim3(cluster), block, shared_bytes, &attribute);
  return cudaOccupancyMaxActiveClusters(clusters, kernel, &config);
}

template <typename... Params, typename... Args>
void launch(LaunchOn on, void (*kernel)(Params...), dim3 grid, dim3 block, Args... args) {
  const cudaLaunchConfig_t config = launch_config(on.stream, grid, block, 0);
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...), "launch", on.file, on.line);
}

// The block's dynamic shared memory.
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char gradstep_dynamic_shared[];
  return reinterpret_cast<T*>(gradstep_dynamic_shared);
}

#endif

// How many clusters of so many such blocks can run at a time; 0: none. More than eight blocks only where the kernel's
// attributes allow it.
template <typename... Params>
int active_clusters(void (*kernel)(Params...), unsigned cluster, dim3 block, size_t shared_bytes) {
  int clusters = 0;
  const cudaError_t error = max_active_clusters(&clusters, kernel, cluster, block, shared_bytes);
  switch (error) {
    case cudaErrorInvalidClusterSize:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidValue:
    case cudaErrorLaunchOutOfResources:
    case cudaErrorNotSupported:
      cudaGetLastError();
      return 0;
    default:
      check(error, "cudaOccupancyMaxActiveClusters");
      return clusters;
  }
}

}  // namespace gradstep::cuda
