// Looks at every access of a kernel's threads. Of two by different threads, one of them a write, a barrier of their
// block, a __syncwarp of their whole warp, a count at which their blocks meet (cuda/group_barrier.h) or a barrier of
// their cluster must lie between: what one order of threads lets pass is found in every order, and so is what lanes of
// a warp do that happen to be together. Shuffles and votes order nothing, as CUDA says. And what is read, somebody must
// have written: the block where memory is shared, else a kernel, a copy or a product. Only kernels are looked at that
// the compiler has prepared for it (native/cuda/CMakeLists.txt, GRADSTEP_CUDA_RACES): each access calls a function of
// races.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulation {

// A launch begins that has so many warps and blocks at a time, in clusters of so many blocks. Memory of the working
// device and shared memory is looked at.
void watch_launch(size_t warps, size_t blocks, unsigned cluster);
// The thread that runs from now on, the places of its block and its warp among those, and its stack.
void watch_thread(uint64_t block, uint64_t thread, size_t place, size_t warp, const char* stack, size_t stack_bytes);
void passed_barrier(size_t place);
// How often the running thread has arrived at its cluster's barrier, and has waited there.
void stands_in_cluster(uint32_t arrived, uint32_t waited);
// The running thread stores in shared memory of its cluster, in code that has this address.
void stores_in_block(const void* at, size_t bytes, const void* code);
// The running thread's block has counted itself as arrived, and has seen that all who count there have.
void block_arrived(const void* count);
void block_waited();
void passed_warp_barrier(size_t warp);
void watch_nothing();

// What is not a kernel's has written the working device's memory; memory is freed.
void was_written(const void* address, size_t bytes);
void forget_writes(const void* allocation);

// Accesses are atomic while it lives, and not looked at.
class Atomic {
 public:
  Atomic();
  ~Atomic();

 private:
  bool watched_;
};

}  // namespace emulation
