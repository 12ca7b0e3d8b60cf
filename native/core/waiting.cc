#include "core/waiting.h"

#include <thread>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

namespace gradstep {
namespace {

// About what it costs to be woken: whoever waits for as long as that loses at most half of the best that it could do.
constexpr std::chrono::microseconds kAwake{100};

#if defined(__linux__)

void sleep_while(std::atomic<int32_t>& word, int32_t value) {
  syscall(SYS_futex, reinterpret_cast<int32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake(std::atomic<int32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<int32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

#else

void sleep_while(std::atomic<int32_t>&, int32_t) { std::this_thread::yield(); }
void wake(std::atomic<int32_t>&) {}

#endif

}  // namespace

// The word is changed before sleepers are looked for, and sleepers say so before they look at the word (both in one
// order for all threads): one of the two sees the other.
void WaitedWord::store(int32_t value) {
  value_.store(value);
  if (sleepers_.load() > 0) wake(value_);
}

void WaitedWord::wait_while(int32_t value) {
  const auto end = std::chrono::steady_clock::now() + kAwake;
  while (load() == value) {
    relax();
    if (std::chrono::steady_clock::now() < end) continue;
    sleepers_.fetch_add(1);
    while (value_.load() == value) sleep_while(value_, value);
    sleepers_.fetch_sub(1);
  }
}

}  // namespace gradstep
