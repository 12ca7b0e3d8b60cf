// The threads own kernels share with oneDNN (libgomp's team of the executor thread): a loop split into one contiguous
// range a thread, so that a result never depends on timing. Work too small to repay a fork runs on the caller alone.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "cpu/thread_team.h"

// Compiled for AVX-512, AVX2 and the baseline; the loader picks by processor.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define GRADSTEP_VECTORISED __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define GRADSTEP_VECTORISED
#endif
// For what is called from within such a function: it takes its caller's instruction set only when it is inlined.
#define GRADSTEP_INLINE inline __attribute__((always_inline))

namespace gradstep::cpu {

// Whether there are 32 registers of sixteen float32: what kernels were measured on that are chosen by what they won.
inline bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

// oneDNN takes part with at most so many threads while this lives: for work too small for all of them.
class ThreadBound {
 public:
  explicit ThreadBound(int threads) : before_(omp_get_max_threads()) {
    if (threads != before_) omp_set_num_threads(threads);
  }
  ~ThreadBound() {
    if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
  }
  ThreadBound(const ThreadBound&) = delete;
  ThreadBound& operator=(const ThreadBound&) = delete;

 private:
  int before_;
};

// Elements of cheap work per thread below which a fork costs more than it saves.
constexpr int64_t kGrain = 8192;

// How many parts to split `size` elements into.
inline int parts_of(int64_t size, int threads, int64_t grain = kGrain) {
  return static_cast<int>(std::clamp<int64_t>(size / grain, 1, threads));
}

// body(part, begin, end) for `parts` contiguous ranges of [0, size), whose inner boundaries are multiples of
// `multiple`.
template <typename Body>
void parallel_ranges(int64_t size, int parts, int64_t multiple, Body body) {
  const int64_t blocks = (size + multiple - 1) / multiple;
  const auto range = [&](int part) {
    const int64_t begin = std::min(size, blocks * part / parts * multiple);
    const int64_t end = std::min(size, blocks * (part + 1) / parts * multiple);
    if (begin < end) body(part, begin, end);
  };
  if (parts <= 1) {
    range(0);
    return;
  }
  times_divided()++;
  if (ThreadTeam* const team = ThreadTeam::led()) return team->share(parts, range);
#pragma omp parallel num_threads(parts)
  {
    // A team may come out smaller than asked for: every part is done all the same.
    for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads()) range(part);
  }
}

}  // namespace gradstep::cpu
