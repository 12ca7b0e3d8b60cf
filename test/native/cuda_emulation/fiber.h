// A stack of its own for a thread of a block, and the switch to it and back. On x86-64 a switch is a dozen
// instructions; elsewhere it is ucontext's. One fiber runs at a time; it must never return from its entry.
#pragma once

#include <csignal>
#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulation {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next resume begins here.
  void start(void (*entry)(void*), void* argument);
  // From the scheduler: runs the fiber until it yields, or until a signal handler leaves it.
  void resume();
  // From the fiber: back to whoever resumed it.
  void yield();
  // From a handler of a signal that the running fiber caused: when the handler returns, resume() returns.
  static void leave_from_signal(void* signal_context);
  // Whether the address lies in the page under this stack.
  bool overflowed_at(const void* address) const;
  static constexpr size_t kStackBytes = 128 * 1024;
  const char* stack() const { return stack_ + kGuardBytes; }

 private:
  static constexpr size_t kGuardBytes = 4096;
  char* stack_;
#if defined(__x86_64__)
  void* pointer_ = nullptr;
#else
  ucontext_t context_;
#endif
};

}  // namespace emulation
