// Instructions that C++ has no word for, and the only place where PTX stands: blocks count for one another; warps
// multiply on tensor cores, read 8 x 8 blocks for them from shared memory, and round; threads copy to shared memory and
// go on; all but the first devices do from compute capability 8.0 on. From 9.0 on blocks of a cluster meet, and store
// in each other's shared memory. The tests' emulation brings functions of the same names that do the same lane by lane
// (test/native/cuda_emulation/tensor_core.h, copies.h, emulation.h). How a warp's
// lanes share a matrix: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", "… for mma.m16n8k8" and
// "Warp-level matrix load instruction: ldmatrix". With g = lane / 4 and t = lane % 4:
// - a [16 x 32 bytes of k]: a[0] is row g, a[1] row g + 8, bytes 4t … 4t + 3 of k; a[2] and a[3] likewise, bytes
//   16 + 4t … of k;
// - b [32 bytes of k x 8]: b0 is column g, bytes 4t … 4t + 3 of k; b1 bytes 16 + 4t … of k;
// - c [16 x 8]: upper is row g, lower row g + 8, both columns 2t and 2t + 1.
// 32 bytes of k are 16 numbers in bfloat16, the first of two in the lower half of a register, or 8 in TF32.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

namespace gradstep::cuda {

#if defined(GRADSTEP_CUDA_EMULATED)

constexpr bool kHasTensorCores = true;
constexpr bool kHasClusters = true;
using emulation::arrive_in_cluster;
using emulation::await_acquire;
using emulation::await_copies;
using emulation::commit_copies;
using emulation::copy_async;
using emulation::count_release;
using emulation::ldmatrix;
using emulation::ldmatrix_transposed;
using emulation::mma_bfloat16;
using emulation::mma_tf32;
using emulation::round_to_bfloat16s;
using emulation::round_to_tf32;
using emulation::store_in_block;
using emulation::trap;
using emulation::wait_for_cluster;

#elif defined(__CUDACC__)

// Ends the program with an error.
__device__ inline void trap() { asm volatile("trap;"); }

// Counts up by one. Who waits for the count then sees what this thread wrote before, and what it had seen.
__device__ inline void count_release(unsigned* count) {
  asm volatile("red.release.gpu.global.add.u32 [%0], 1;" : : "l"(__cvta_generic_to_global(count)) : "memory");
}

// Until the count has come so far; it may go round the range of an unsigned.
__device__ inline void await_acquire(const unsigned* count, unsigned wanted) {
  unsigned seen;
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(__cvta_generic_to_global(count)) : "memory");
  } while (static_cast<int>(seen - wanted) < 0);
}

// Whether what is compiled here may use what follows. Prepare::tensor_cores() asks the device.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool kHasTensorCores = false;
#else
constexpr bool kHasTensorCores = true;
#endif

// c += a·b.
__device__ inline void mma_bfloat16(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(upper[0]), "+f"(upper[1]), "+f"(lower[0]), "+f"(lower[1])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline void mma_tf32(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0,
                                uint32_t b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(upper[0]), "+f"(upper[1]), "+f"(lower[0]), "+f"(lower[1])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four blocks of eight rows of 16 bytes: lane l says where row l % 8 of block l / 8 begins, in shared memory. block[i]
// becomes bytes 4t … 4t + 3 of row g of block i.
__device__ inline void ldmatrix(uint32_t (&block)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(block[0]), "=r"(block[1]), "=r"(block[2]), "=r"(block[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

// As 8 x 8 numbers of two bytes, transposed: block[i] becomes number g of rows 2t and 2t + 1.
__device__ inline void ldmatrix_transposed(uint32_t (&block)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(block[0]), "=r"(block[1]), "=r"(block[2]), "=r"(block[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

// Copies kBytes (4, 8 or 16, as both addresses divide by) to shared memory while the thread goes on; zeros, and nothing
// is read, where they are not wanted.
template <int kBytes>
__device__ inline void copy_async(void* to, const void* from, bool wanted) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "what there is");
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
               :
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))), "l"(__cvta_generic_to_global(from)),
                 "n"(kBytes), "r"(wanted ? kBytes : 0)
               : "memory");
}

// This thread's copies since the last time are a group.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" : : : "memory"); }

// Until this thread's groups have come, all but the last kGroups. Other threads see them behind a barrier.
template <int kGroups>
__device__ inline void await_copies() {
  asm volatile("cp.async.wait_group %0;" : : "n"(kGroups) : "memory");
}

// To nearest, ties to even; `low` in the lower half.
__device__ inline uint32_t round_to_bfloat16s(float low, float high) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

// To nearest, ties away from zero; the bits of a float.
__device__ inline uint32_t round_to_tf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

// Whether what is compiled here may use clusters. Where a kernel was compiled without, cudaFuncGetAttributes tells.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr bool kHasClusters = false;
#else
constexpr bool kHasClusters = true;
#endif

// A cluster's barrier, at which every thread of its blocks must arrive, and then wait, in turns; between the two it may
// do what waits for nobody. What threads wrote before they arrived, those that have waited see. Not the variants that
// want a warp's threads to be together (.aligned): those come from branches.
__device__ inline void arrive_in_cluster() { asm volatile("barrier.cluster.arrive.release;" : : : "memory"); }
__device__ inline void wait_for_cluster() { asm volatile("barrier.cluster.wait.acquire;" : : : "memory"); }

// Stores 8 or 16 bytes, by which the address divides, in the shared memory of block `rank` of the cluster, where this
// block has `to`. That block must have begun, and may not end before a barrier of the cluster comes after the store.
template <typename T>
__device__ inline void store_in_block(T* to, unsigned rank, const T& value) {
  static_assert(sizeof(T) == 8 || sizeof(T) == 16, "what there is");
  uint32_t words[sizeof(T) / 4], at;
  memcpy(words, &value, sizeof value);
  asm("mapa.shared::cluster.u32 %0, %1, %2;"
      : "=r"(at)
      : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))), "r"(rank));
  if constexpr (sizeof(T) == 8) {
    asm volatile("st.shared::cluster.v2.b32 [%0], {%1, %2};" : : "r"(at), "r"(words[0]), "r"(words[1]) : "memory");
  } else {
    asm volatile("st.shared::cluster.v4.b32 [%0], {%1, %2, %3, %4};"
                 :
                 : "r"(at), "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }
}

#endif

}  // namespace gradstep::cuda
