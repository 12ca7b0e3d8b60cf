// What a kernel's threads do wrong and the processor notices: while a grid runs, a fault of the fiber that runs leaves
// it.
#pragma once

#include <csignal>
#include <optional>

namespace emulation {

// While it lives, faults of the thread that made it are those of a fiber; other threads' signals go to whoever had them
// before. A fault that was only memory out of reach (order.h) is none: the instruction is tried again.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  stack_t old_stack_{};
};

// The address of the fault that the last fiber was left for, once.
std::optional<const char*> take_fault();

}  // namespace emulation
