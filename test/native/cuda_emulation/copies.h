// A thread's copies from device memory to shared memory that go on beside it (cuda/ptx.cuh). They arrive when the
// thread waits for them and no sooner, and until then what they will overwrite is gone: who reads it too early, or
// still, finds NaN patterns.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "emulation.h"

namespace emulation {

class Copies {
 public:
  void begin(void* to, const void* from, size_t bytes, bool wanted, Site site);
  void commit();
  // Until all groups but the last so many have arrived.
  void await(size_t groups);
  bool under_way() const { return !under_way_.empty(); }

 private:
  struct Copy {
    void* to;
    size_t bytes;
    std::array<unsigned char, 16> content;
  };
  std::vector<Copy> under_way_;
  std::vector<size_t> groups_;  // how many copies each has that is committed
};

// Of the thread that runs.
Copies& copies();

template <int kBytes>
void copy_async(void* to, const void* from, bool wanted, const char* file = __builtin_FILE(),
                int line = __builtin_LINE()) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "what there is");
  need_ampere("copies to shared memory beside its work", {file, line});
  copies().begin(to, from, kBytes, wanted, {file, line});
}
inline void commit_copies() { copies().commit(); }
template <int kGroups>
void await_copies() {
  copies().await(kGroups);
}

}  // namespace emulation
