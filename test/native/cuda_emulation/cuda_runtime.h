// A stand-in for CUDA's <cuda_runtime.h>, for tests only: .cu files compile against it as plain C++ and their kernels
// run on the CPU. Here: the language (built-in variables, vector types, barriers, warp collectives, intrinsics) and the
// part of the runtime API that the backend uses. What a mistake in a kernel does here, and where it is caught:
// emulation.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "copies.h"
#include "emulation.h"
#include "races.h"
#include "tensor_core.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
// One copy for each thread of the host, as blocks run one at a time; filled with NaN patterns before every block.
#define __shared__ static thread_local

// ---- built-in variables: set whenever the emulation goes on to another thread ----

extern __attribute__((visibility("hidden"))) uint3 threadIdx;
extern __attribute__((visibility("hidden"))) uint3 blockIdx;
extern __attribute__((visibility("hidden"))) dim3 blockDim;
extern __attribute__((visibility("hidden"))) dim3 gridDim;
constexpr int warpSize = 32;

// ---- barriers and warp collectives ----

#define __syncthreads() ::emulation::sync_threads({__FILE__, __LINE__})
#define __syncwarp(...) ::emulation::sync_warp(::emulation::lanes(__VA_ARGS__), {__FILE__, __LINE__})
#define __threadfence() static_cast<void>(0)
#define __threadfence_block() static_cast<void>(0)
#define __shfl_sync(mask, ...) ::emulation::shuffle(mask, {__FILE__, __LINE__}, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...) ::emulation::shuffle_xor(mask, {__FILE__, __LINE__}, __VA_ARGS__)
#define __shfl_down_sync(mask, ...) ::emulation::shuffle_down(mask, {__FILE__, __LINE__}, __VA_ARGS__)
#define __shfl_up_sync(mask, ...) ::emulation::shuffle_up(mask, {__FILE__, __LINE__}, __VA_ARGS__)
#define __ballot_sync(mask, predicate) ::emulation::ballot(mask, (predicate) != 0, {__FILE__, __LINE__})
#define __any_sync(mask, predicate) (::emulation::ballot(mask, (predicate) != 0, {__FILE__, __LINE__}) != 0)
#define __all_sync(mask, predicate) (::emulation::ballot(mask, (predicate) == 0, {__FILE__, __LINE__}) == 0)

// ---- atomics: one thread runs at a time, so plain ones do; integers only, as the order must not matter ----

template <typename T>
inline T emulated_atomic(T* at, T value) {
  static_assert(std::is_integral_v<T>, "atomics on floating-point numbers depend on the order of execution");
  const T old = *at;
  *at = value;
  return old;
}
template <typename T>
inline T atomicAdd(T* at, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, static_cast<T>(*at + v));
}
template <typename T>
inline T atomicMax(T* at, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, *at > v ? *at : v);
}
template <typename T>
inline T atomicMin(T* at, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, *at < v ? *at : v);
}
template <typename T>
inline T atomicOr(T* at, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, static_cast<T>(*at | v));
}
template <typename T>
inline T atomicAnd(T* at, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, static_cast<T>(*at & v));
}
template <typename T>
inline T atomicExch(T* at, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, v);
}
template <typename T>
inline T atomicCAS(T* at, T expected, T v) {
  const ::emulation::Atomic whole;
  return emulated_atomic(at, *at == expected ? v : *at);
}

// ---- intrinsics ----

template <typename T>
inline T __ldcg(const T* at) {
  return *at;
}
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float a) { return std::exp(a); }
inline float __logf(float a) { return std::log(a); }
inline float rsqrtf(float a) { return 1.f / std::sqrt(a); }
inline float __saturatef(float a) { return a > 0.f ? (a < 1.f ? a : 1.f) : 0.f; }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz(static_cast<unsigned>(v)); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32); }
inline int __mul24(int a, int b) { return a * b; }
template <typename To, typename From>
inline To emulated_bits(From from) {
  To to;
  static_assert(sizeof to == sizeof from, "same size");
  memcpy(&to, &from, sizeof to);
  return to;
}
inline int __float_as_int(float v) { return emulated_bits<int>(v); }
inline float __int_as_float(int v) { return emulated_bits<float>(v); }
inline unsigned __float_as_uint(float v) { return emulated_bits<unsigned>(v); }
inline float __uint_as_float(unsigned v) { return emulated_bits<float>(v); }
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;

// ---- runtime API ----

#define CUDART_VERSION 13000

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalState = 401,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchFailure = 719,
  cudaErrorCooperativeLaunchTooLarge = 720,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorInvalidClusterSize = 912,
  cudaErrorUnknown = 999,
};

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
enum cudaStreamUpdateCaptureDependenciesFlags { cudaStreamAddCaptureDependencies, cudaStreamSetCaptureDependencies };
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributeNonPortableClusterSizeAllowed = 14
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};

constexpr unsigned cudaStreamNonBlocking = 1;
constexpr unsigned cudaEventDefault = 0;
constexpr unsigned cudaEventDisableTiming = 2;
constexpr unsigned cudaEventRecordDefault = 0;
constexpr unsigned cudaEventRecordExternal = 1;
constexpr unsigned cudaHostAllocDefault = 0;

struct cudaFuncAttributes {
  int ptxVersion;
};

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
  int multiProcessorCount;
};

using cudaStream_t = emulation::Stream*;
using cudaEvent_t = emulation::Event*;
using cudaGraph_t = emulation::Graph*;
using cudaGraphExec_t = emulation::Graph*;
using cudaGraphNode_t = const void*;  // the number of a node of the graph that is being captured, from 1
struct cudaGraphEdgeData;

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void** address, size_t bytes);
template <typename T>
inline cudaError_t cudaMalloc(T** address, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(address), bytes);
}
cudaError_t cudaFree(void* address);
cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* address);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemset(void* to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count);
cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t stream, cudaGraphNode_t* dependencies,
                                                const cudaGraphEdgeData* edges, size_t count, unsigned flags);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphUpload(cudaGraphExec_t instance, cudaStream_t stream);
cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance);

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);

namespace emulation {

cudaError_t set_attribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t get_attributes(cudaFuncAttributes* attributes, const void* kernel);
// How many clusters of so many blocks run at a time.
cudaError_t max_active_clusters(int* clusters, const void* kernel, unsigned blocks, size_t shared_bytes);

// Runs the work of a library's call now, or records it when the stream is being captured. What it reads and writes
// besides are allocations by any of their addresses (null: none).
cudaError_t enqueue(Stream* stream, const std::vector<const void*>& reads, const std::vector<const void*>& writes,
                    std::function<void()> work, const char* call_name = "gemm");
// Likewise for a kernel: `thread` is one thread's work.
cudaError_t enqueue_kernel(Stream* stream, const void* kernel, Site site, dim3 grid, dim3 block, size_t shared_bytes,
                           Meeting meeting, unsigned cluster, std::function<void()> thread);

}  // namespace emulation

template <typename... Params>
inline cudaError_t cudaFuncSetAttribute(void (*kernel)(Params...), cudaFuncAttribute attribute, int value) {
  return emulation::set_attribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
template <typename... Params>
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Params...)) {
  return emulation::get_attributes(attributes, reinterpret_cast<const void*>(kernel));
}
