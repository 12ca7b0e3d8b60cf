#include "cpu/run_delay.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace gradstep::cpu {
namespace {

long this_thread() {
  static thread_local const long id = syscall(SYS_gettid);
  return id;
}

// Negative where the system does not tell. The file has the time on a processor, that of waiting for one, and a count.
// Steps allocate nothing, so neither does this.
int64_t delay_of(long thread) {
  char text[64];
  std::snprintf(text, sizeof text, "/proc/self/task/%ld/schedstat", thread);
  const int file = open(text, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return -1;
  text[length] = 0;
  long long run, waited;
  return std::sscanf(text, "%lld %lld", &run, &waited) == 2 ? waited : -1;
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
