// How the emulation runs a grid. Threads of a block that cooperate are fibers: each runs until it waits at a barrier or
// a warp collective; which one goes on next, and the order of blocks, depend on a seed (GRADSTEP_EMULATION_SEED; 0:
// natural order), so that a missing barrier shows as wrong numbers under one order or another. Told as errors of the
// stream, never by ending the process: barriers that some threads do not reach or reach elsewhere, counts of blocks
// that never come so far, collectives over lanes that left, reads and writes outside device memory (guard pages, and
// red zones that are looked at after every launch), barriers in kernels that were launched as if their threads never
// waited, stores in shared memory of blocks that may not be there (cluster.h). Fresh device and shared memory is all
// NaN. For tests of what is launched: streams that are made while GRADSTEP_EMULATION_TRACE is set write what is
// captured and launched to that file, a line for each graph with its nodes; with GRADSTEP_EMULATION_PACE events tell
// the time of a device that takes so many microseconds for each kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};

#define GRADSTEP_VECTORS(T, name, align2, align4)            \
  struct __attribute__((aligned(align2))) name##2 {          \
    T x, y;                                                  \
  };                                                         \
  struct __attribute__((aligned(align4))) name##4 {          \
    T x, y, z, w;                                            \
  };                                                         \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
GRADSTEP_VECTORS(float, float, 8, 16)
GRADSTEP_VECTORS(int, int, 8, 16)
GRADSTEP_VECTORS(unsigned, uint, 8, 16)
GRADSTEP_VECTORS(unsigned char, uchar, 2, 4)
GRADSTEP_VECTORS(double, double, 16, 16)
#undef GRADSTEP_VECTORS

namespace emulation {

class Agent;
struct Stream;
struct Event;
struct Graph;

// A place in the source.
struct Site {
  const char* file;
  int line;
};

constexpr int kWarp = 32;

// Which threads of a grid may wait for one another: those of a cluster or a grid are all there from the beginning.
enum class Meeting { kNone, kBlock, kCluster, kGrid };

// Runs a grid; returns an empty string or what went wrong. One grid runs at a time in a process.
struct Grid {
  Site site;
  dim3 grid, block;
  size_t shared_bytes;
  size_t most_shared;  // that a block may have, __shared__ variables included
  bool is_turing;      // compute capability 7.5
  Meeting meeting;
  unsigned cluster;  // blocks of a cluster, neighbours in x; 0: there are none
  uint64_t seed;
  const Agent* agent;  // the stream's place in the order of work (order.h)
};
std::string run_grid(const Grid& grid, const std::function<void()>& thread);

// Ends the launch, as the failure of the thread that is running. Outside a kernel it ends the process, like any check.
[[noreturn]] void fail_thread(const std::string& what, Site site);
// Likewise, where what is said tells the place; only in a kernel.
[[noreturn]] void fail_thread(const std::string& what);

// Called by threads of a kernel.
void* dynamic_shared();
void sync_threads(Site site);
// Counts that blocks which run at once wait for (cuda/ptx.cuh).
void count_release(unsigned* count);
void await_acquire(const unsigned* count, unsigned wanted, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE());
// A cluster's barrier, and stores in the shared memory of its block `rank`, where this one has `to` (cuda/ptx.cuh).
void arrive_in_cluster(const char* file = __builtin_FILE(), int line = __builtin_LINE());
void wait_for_cluster(const char* file = __builtin_FILE(), int line = __builtin_LINE());
void store_bytes_in_block(void* to, unsigned rank, const void* value, size_t bytes, Site site);
template <typename T>
void store_in_block(T* to, unsigned rank, const T& value, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  static_assert(sizeof(T) == 8 || sizeof(T) == 16, "what there is");
  store_bytes_in_block(to, rank, &value, sizeof value, {file, line});
}
void sync_warp(unsigned mask, Site site);
unsigned ballot(unsigned mask, bool predicate, Site site);
// This lane's value goes in, lane `source`'s comes out; both must be in the mask.
uint64_t exchange(unsigned mask, uint64_t value, int source, Site site);
int lane();
// For what there is from compute capability 8.0 on.
void need_ampere(const char* what, Site site);
// All lanes of the warp bring something; when the last is there, `work` is called once with what each of them brought.
using WarpWork = void (*)(void* const (&brought)[kWarp]);
void together(WarpWork work, void* brought, Site site);

inline unsigned lanes(unsigned mask = 0xffffffffu) { return mask; }

template <typename T>
T exchange_value(unsigned mask, T value, int source, Site site) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "shuffles move at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, source, site);
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Warps are cut into sections of `width` lanes; a source outside the section is one's own value.
template <typename T>
T shuffle(unsigned mask, Site site, T value, int source, int width = kWarp) {
  return exchange_value(mask, value, lane() / width * width + (source & (width - 1)), site);
}
template <typename T>
T shuffle_xor(unsigned mask, Site site, T value, int bits, int width = kWarp) {
  const int source = lane() ^ bits;
  return exchange_value(mask, value, source / width <= lane() / width ? source : lane(), site);
}
template <typename T>
T shuffle_down(unsigned mask, Site site, T value, unsigned distance, int width = kWarp) {
  const int source = lane() + static_cast<int>(distance);
  return exchange_value(mask, value, source / width == lane() / width ? source : lane(), site);
}
template <typename T>
T shuffle_up(unsigned mask, Site site, T value, unsigned distance, int width = kWarp) {
  const int source = lane() - static_cast<int>(distance);
  return exchange_value(mask, value, source >= 0 && source / width == lane() / width ? source : lane(), site);
}

}  // namespace emulation
