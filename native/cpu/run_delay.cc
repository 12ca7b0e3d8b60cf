#include "cpu/run_delay.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace gradstep::cpu {
namespace {

long this_thread() {
  static thread_local const long id = syscall(SYS_gettid);
  return id;
}

// Negative where the system does not tell. The file has the time on a processor, that of waiting for one, and a count.
int64_t delay_of(long thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/schedstat");
  int64_t run, waited;
  return file >> run >> waited ? waited : -1;
}

}  // namespace

bool RunDelay::is_known() {
  static const bool known = delay_of(this_thread()) >= 0;
  return known;
}

void RunDelay::watch_this_thread() {
  if (thread_ == this_thread()) return;
  thread_ = this_thread();
  before_ = delay_of(thread_);
}

int64_t RunDelay::nanoseconds() const { return thread_ == 0 ? 0 : delay_of(thread_) - before_; }

}  // namespace gradstep::cpu
