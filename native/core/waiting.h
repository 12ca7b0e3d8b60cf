// Waiting for another thread to change a word: awake for a while, as waking a thread takes longer than most work of a
// step (in a virtual machine 40 to 75 microseconds), and asleep from then on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace gradstep {

// Tells the processor that a loop waits.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A word that threads wait for: whoever changes it may have to wake them.
class WaitedWord {
 public:
  explicit WaitedWord(int32_t value) : value_(value) {}

  int32_t load() const { return value_.load(std::memory_order_acquire); }
  // Wakes who sleeps.
  void store(int32_t value);
  // value <- `to` where it is `from`; whether it was. Wakes nobody.
  bool compare_exchange(int32_t from, int32_t to) { return value_.compare_exchange_strong(from, to); }
  // Returns when the word is another than `value`, which it may have been at once.
  void wait_while(int32_t value);

 private:
  std::atomic<int32_t> value_;
  std::atomic<int32_t> sleepers_{0};
};

}  // namespace gradstep
