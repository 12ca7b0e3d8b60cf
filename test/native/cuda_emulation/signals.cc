#include "signals.h"

#include <pthread.h>
#include <sys/mman.h>

#include <utility>

#include "fiber.h"
#include "order.h"

namespace emulation {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr int kSignals[2] = {SIGSEGV, SIGBUS};

// One grid runs at a time.
struct sigaction old_actions[2];
pthread_t runner;
volatile sig_atomic_t caught;
void* volatile caught_address;

void on_signal(int signal, siginfo_t* info, void* context) {
  if (pthread_equal(pthread_self(), runner)) {
    if (reach(info->si_addr)) return;
    caught = 1;
    caught_address = info->si_addr;
    Fiber::leave_from_signal(context);
    return;
  }
  for (int i = 0; i < 2; i++) {
    if (kSignals[i] != signal) continue;
    const struct sigaction& old = old_actions[i];
    if ((old.sa_flags & SA_SIGINFO) != 0) return old.sa_sigaction(signal, info, context);
    if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) return old.sa_handler(signal);
    ::signal(signal, SIG_DFL);  // the instruction is tried again and meets the default
  }
}

}  // namespace

Signals::Signals() {
  runner = pthread_self();
  static char* stack =
      static_cast<char*>(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  stack_t own{};
  own.ss_sp = stack;
  own.ss_size = kStackBytes;
  sigaltstack(&own, &old_stack_);
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < 2; i++) sigaction(kSignals[i], &action, &old_actions[i]);
}

Signals::~Signals() {
  for (int i = 0; i < 2; i++) sigaction(kSignals[i], &old_actions[i], nullptr);
  sigaltstack(&old_stack_, nullptr);
}

std::optional<const char*> take_fault() {
  if (caught == 0) return std::nullopt;
  caught = 0;
  return static_cast<const char*>(caught_address);
}

}  // namespace emulation
