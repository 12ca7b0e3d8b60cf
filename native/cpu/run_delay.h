// How long a thread has waited for a processor though it could have run: the second number of the system's
// /proc/self/task/ID/schedstat.
#pragma once

#include <cstdint>

namespace gradstep::cpu {

class RunDelay {
 public:
  // Whether the system tells it.
  static bool is_known();

  void watch_this_thread();
  // Of the thread that is watched, since then; 0 where there is none.
  int64_t nanoseconds() const;

 private:
  long thread_ = 0;
  int64_t before_ = 0;
};

}  // namespace gradstep::cpu
