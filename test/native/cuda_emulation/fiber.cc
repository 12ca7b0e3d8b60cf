#include "fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <new>

namespace emulation {
#if defined(__x86_64__)

// Keeps the registers that a call preserves on the stack that is left, and takes them from the one that is entered.
extern "C" void gradstep_fiber_switch(void** leave, void* enter);
extern "C" void gradstep_fiber_enter();
asm(R"(
.text
.type gradstep_fiber_switch, @function
.hidden gradstep_fiber_switch
.globl gradstep_fiber_switch
gradstep_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
.hidden gradstep_fiber_enter
.globl gradstep_fiber_enter
gradstep_fiber_enter:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gradstep_fiber_switch, .-gradstep_fiber_switch
.hidden gradstep_fiber_begin
.globl gradstep_fiber_begin
gradstep_fiber_begin:
  movq %r12, %rdi
  callq *%r13
  ud2
)");
extern "C" void gradstep_fiber_begin();

namespace {
void* scheduler = nullptr;
}

void Fiber::start(void (*entry)(void*), void* argument) {
  auto* top = reinterpret_cast<uint64_t*>(stack_ + kGuardBytes + kStackBytes);  // divides by 16
  top -= 2;  // so that the stack divides by 16 where begin calls
  *--top = reinterpret_cast<uint64_t>(&gradstep_fiber_begin);
  *--top = 0;                                     // rbp
  *--top = 0;                                     // rbx
  *--top = reinterpret_cast<uint64_t>(argument);  // r12
  *--top = reinterpret_cast<uint64_t>(entry);     // r13
  *--top = 0;                                     // r14
  *--top = 0;                                     // r15
  pointer_ = top;
}

void Fiber::resume() { gradstep_fiber_switch(&scheduler, pointer_); }
void Fiber::yield() { gradstep_fiber_switch(&pointer_, scheduler); }

void Fiber::leave_from_signal(void* signal_context) {
  auto& registers = static_cast<ucontext_t*>(signal_context)->uc_mcontext.gregs;
  registers[REG_RSP] = reinterpret_cast<greg_t>(scheduler);
  registers[REG_RIP] = reinterpret_cast<greg_t>(&gradstep_fiber_enter);
}

#else

namespace {

ucontext_t scheduler;
void (*begin_entry)(void*);
void* begin_argument;

void begin() { begin_entry(begin_argument); }

}  // namespace

void Fiber::start(void (*entry)(void*), void* argument) {
  // Every fiber of a block begins alike, so that what it begins with can stand outside the context.
  begin_entry = entry;
  begin_argument = argument;
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_ + kGuardBytes;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  makecontext(&context_, begin, 0);
}

void Fiber::resume() { swapcontext(&scheduler, &context_); }
void Fiber::yield() { swapcontext(&context_, &scheduler); }
void Fiber::leave_from_signal(void*) { setcontext(&scheduler); }

#endif

Fiber::Fiber() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<char*>(memory);
  mprotect(stack_, kGuardBytes, PROT_NONE);
}

Fiber::~Fiber() { munmap(stack_, kGuardBytes + kStackBytes); }

bool Fiber::overflowed_at(const void* address) const {
  const char* at = static_cast<const char*>(address);
  return at >= stack_ && at < stack_ + kGuardBytes;
}

}  // namespace emulation
