#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "device_memory.h"
#include "fiber.h"
#include "order.h"
#include "races.h"
#include "seeded_order.h"
#include "shared_memory.h"
#include "signals.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace emulation {
namespace {

enum class State { kReady, kBarrier, kCount, kCollective, kDone };
enum class Collective { kSync, kExchange, kBallot, kTogether };

struct Thread {
  State state;
  Site site;  // where it waits
  Collective kind;
  unsigned mask;   // or the count that it waits for
  uint64_t value;  // what it brings to a collective, or where the count is
  int source;
  uint64_t result;
};

std::string text_of(Site site) {
  const char* cut = strrchr(site.file, '/');
  return std::string(cut == nullptr ? site.file : cut + 1) + ":" + std::to_string(site.line);
}

std::string text_of(const char* name, uint3 v) {
  return std::string(name) + " (" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}

bool same(Site a, Site b) { return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0); }

uint3 position(uint64_t i, dim3 size) {
  return {static_cast<unsigned>(i % size.x), static_cast<unsigned>(i / size.x % size.y),
          static_cast<unsigned>(i / size.x / size.y)};
}

uint64_t count(dim3 size) { return uint64_t{size.x} * size.y * size.z; }

uint64_t number(uint3 at, dim3 size) { return at.x + uint64_t{size.x} * (at.y + uint64_t{size.y} * at.z); }

// One grid runs at a time; what runs is kept here, where the threads' calls find it. Nothing of
// it is ever destroyed: a process may end while a device's thread is still at work.
std::mutex one_grid;
const Grid* grid;
const std::function<void()>* work;
auto& fibers = *new std::vector<std::unique_ptr<Fiber>>;
auto& threads = *new std::vector<Thread>;
auto& copies_of = *new std::vector<Copies>;  // each thread
auto& waiting = *new std::vector<unsigned>;  // of each warp: the lanes that wait in a collective
auto& ready = *new std::vector<int>;
int current;
int block_threads;  // of a cooperating kernel's block: threads of several blocks follow one another
auto& failure = *new std::string;
uint64_t random_state;

[[noreturn]] void fail(const std::string& message) {
  failure = message;
  for (;;) fibers[static_cast<size_t>(current)]->yield();
}

// Resumes a fiber and turns a signal that it caused into a failure.
void resume(int thread) {
  current = thread;
  Fiber& fiber = *fibers[static_cast<size_t>(thread)];
  if (grid->cooperating) {
    watch_thread(number(blockIdx, grid->grid), static_cast<uint64_t>(thread % block_threads),
                 static_cast<size_t>(thread / kWarp), fiber.stack(), Fiber::kStackBytes);
  }
  fiber.resume();
  if (const std::optional<const char*> fault = take_fault(); fault) {
    const char* const at = *fault;
    if (fiber.overflowed_at(at)) {
      failure = "ran out of stack";
    } else if (is_past_dynamic_shared(at)) {
      failure = "reached past its " + std::to_string(grid->shared_bytes) + " bytes of dynamic shared memory";
    } else if (const std::string why = why_out_of_reach(); !why.empty()) {
      failure = why;
    } else {
      failure = "reached " + describe_address(at);
    }
  }
  if (!failure.empty()) failure += ", in " + text_of("thread", threadIdx) + " of " + text_of("block", blockIdx);
}

void need_fibers(size_t n) {
  while (fibers.size() < n) fibers.push_back(std::make_unique<Fiber>());
}

// ---- kernels whose threads never wait: plain loops, on one fiber so that a failure can leave them ----

void run_plain(void*) {
  const uint64_t block_threads = count(grid->block);
  const uint64_t blocks = count(grid->grid);
  const Order block_order(blocks, grid->seed);
  const Order thread_order(block_threads, grid->seed);
  for (uint64_t b = 0; b < blocks; b++) {
    const uint64_t block = block_order.at(b);
    blockIdx = position(block, grid->grid);
    for (uint64_t t = 0; t < block_threads; t++) {
      const uint64_t thread = thread_order.at(t);
      threadIdx = position(thread, grid->block);
      watch_thread(block, thread, 0, fibers[0]->stack(), Fiber::kStackBytes);
      (*work)();
    }
  }
  threads[0].state = State::kDone;
  for (;;) fibers[0]->yield();
}

// ---- kernels whose threads cooperate ----

void run_thread(void*) {
  (*work)();
  if (copies().under_way()) fail("returned while copies of it were under way");
  threads[static_cast<size_t>(current)].state = State::kDone;
  for (;;) fibers[static_cast<size_t>(current)]->yield();
}

std::string name_of(int thread) {
  return text_of("thread", position(static_cast<uint64_t>(thread % block_threads), grid->block));
}

// Every thread of the block that begins with thread `first` has stopped and none can go on: says why.
std::string describe_stuck(int first_of_block) {
  const int end = first_of_block + block_threads;
  const auto name = name_of;
  int first_waiting = -1;
  for (int t = first_of_block; t < end; t++) {
    const Thread& thread = threads[static_cast<size_t>(t)];
    if (thread.state == State::kDone) continue;
    if (first_waiting < 0) first_waiting = t;
    if (thread.state != State::kCollective) continue;
    for (int lane = 0; lane < kWarp; lane++) {
      if ((thread.mask >> lane & 1) == 0) continue;
      const int other = t / kWarp * kWarp + lane;
      const std::string start =
          name(t) + " waits at " + text_of(thread.site) + " for lane " + std::to_string(lane) + ", ";
      if (other >= end) return start + "which the block does not have";
      const Thread& o = threads[static_cast<size_t>(other)];
      if (o.state == State::kDone) return start + "which has returned";
      if (o.state == State::kBarrier || o.state == State::kCount || !same(o.site, thread.site))
        return start + "which waits at " + text_of(o.site);
      if (o.mask != thread.mask) return start + "which came there with another mask";
    }
  }
  const Thread& first = threads[static_cast<size_t>(first_waiting)];
  for (int t = first_of_block; t < end; t++) {
    const Thread& o = threads[static_cast<size_t>(t)];
    const std::string start =
        "divergent barrier: " + name(first_waiting) + " waits at " + text_of(first.site) + ", " + name(t);
    if (o.state == State::kDone) return start + " has returned";
    if (!same(o.site, first.site)) return start + " waits at " + text_of(o.site);
  }
  return "no thread can go on";
}

// Whether threads [first, end) all wait at one barrier of this kind, or have all returned.
bool all_in(State state, int first, int end) {
  for (int t = first; t < end; t++) {
    const Thread& thread = threads[static_cast<size_t>(t)];
    if (thread.state != state) return false;
    if (state != State::kDone && !same(thread.site, threads[static_cast<size_t>(first)].site)) return false;
  }
  return true;
}

void start_threads() {
  copies_of.assign(threads.size(), Copies());
  waiting.assign((threads.size() + kWarp - 1) / kWarp, 0);
  for (size_t t = 0; t < threads.size(); t++) {
    threads[t].state = State::kReady;
    fibers[t]->start(run_thread, nullptr);
  }
}

// A thread of the block that begins with thread `first` that waits for a count; or null.
Thread* awaiting(int first) {
  for (int t = first; t < first + block_threads; t++) {
    if (threads[static_cast<size_t>(t)].state == State::kCount) return &threads[static_cast<size_t>(t)];
  }
  return nullptr;
}

// Until the threads of the block that begins with thread `first` have returned or wait for other blocks.
void run_block(int first) {
  const int end = first + block_threads;
  std::vector<int> batch;
  ready.clear();
  for (int t = first; t < end; t++) {
    if (threads[static_cast<size_t>(t)].state == State::kReady) ready.push_back(t);
  }
  for (;;) {
    batch.swap(ready);
    ready.clear();
    if (batch.empty()) {
      if (all_in(State::kDone, first, end) || awaiting(first) != nullptr) return;
      if (!all_in(State::kBarrier, first, end)) {
        failure = "stopped: " + describe_stuck(first) + ", in " + text_of("block", blockIdx);
        return;
      }
      for (int t = first; t < end; t++) {
        threads[static_cast<size_t>(t)].state = State::kReady;
        batch.push_back(t);
      }
      passed_barrier();
    }
    if (grid->seed != 0) {
      for (size_t i = batch.size(); i > 1; i--) std::swap(batch[i - 1], batch[random(random_state) % i]);
    }
    for (const int t : batch) {
      threadIdx = position(static_cast<uint64_t>(t % block_threads), grid->block);
      resume(t);
      if (!failure.empty()) return;
    }
  }
}

unsigned count_of(const Thread& thread) { return *reinterpret_cast<const unsigned*>(thread.value); }

// Blocks that wait for others: each runs as far as it can before the next one does, in another order after every round,
// so that what one block leaves for another too late, or takes too early, shows. Of those that may go on only some do,
// under all orders but the natural one, so that blocks get as far ahead of one another as their barrier lets them.
void run_blocks_at_once() {
  const uint64_t blocks = count(grid->grid);
  if (block_threads % kWarp != 0) {
    failure =
        "has blocks of " + std::to_string(block_threads) + " threads: blocks that run at once must be whole warps";
    return;
  }
  for (uint64_t b = 0; b < blocks; b++) poison_dynamic_shared(grid->shared_bytes, b);
  poison_shared(0);
  watch_launch(threads.size() / kWarp);
  start_threads();
  const int n = static_cast<int>(threads.size());
  for (uint64_t turn = 0;; turn++) {
    const Order order(blocks, grid->seed == 0 ? 0 : grid->seed + turn);
    for (uint64_t b = 0; b < blocks; b++) {
      const uint64_t block = order.at(b);
      const int first = static_cast<int>(block) * block_threads;
      blockIdx = position(block, grid->grid);
      if (awaiting(first) == nullptr) run_block(first);
      if (!failure.empty()) return;
    }
    if (shared_in_use() > 0) {
      failure =
          "used __shared__ variables, of which the emulation has one set: blocks that run at once need dynamic ones";
      return;
    }
    if (all_in(State::kDone, 0, n)) return;
    bool goes_on = false;
    for (uint64_t b = 0; b < blocks; b++) {
      Thread* const thread = awaiting(static_cast<int>(order.at(b)) * block_threads);
      if (thread == nullptr || static_cast<int>(count_of(*thread) - thread->mask) < 0) continue;
      if (grid->seed == 0 || !goes_on || random(random_state) % 2 == 0) thread->state = State::kReady;
      goes_on = true;
    }
    if (goes_on) continue;
    for (uint64_t b = 0; b < blocks; b++) {
      const Thread* const thread = awaiting(static_cast<int>(b) * block_threads);
      if (thread == nullptr) continue;
      failure = "stopped: " + text_of("block", position(b, grid->grid)) + " waits at " + text_of(thread->site) +
                " for a count of " + std::to_string(thread->mask) + ", which is " + std::to_string(count_of(*thread));
      return;
    }
  }
}

void need_cooperation(const char* what, Site site) {
  if (grid->cooperating) return;
  fail(std::string(what) + " at " + text_of(site) +
       " in a kernel that was started by launch(): use launch_cooperating()");
}

void wait(State state, Site site) {
  Thread& self = threads[static_cast<size_t>(current)];
  const int me = current;
  self.state = state;
  self.site = site;
  fibers[static_cast<size_t>(me)]->yield();
}

uint64_t collective(Collective kind, unsigned mask, uint64_t value, int source, Site site, WarpWork work = nullptr) {
  need_cooperation("warp collective", site);
  const size_t me = static_cast<size_t>(current);
  const size_t base = me / kWarp * kWarp;
  Thread& self = threads[me];
  if ((mask >> (me - base) & 1) == 0)
    fail("warp collective at " + text_of(site) + ": the calling lane is not in its mask");
  if (kind == Collective::kExchange && (mask >> source & 1) == 0) {
    fail("warp collective at " + text_of(site) + " reads lane " + std::to_string(source) +
         ", which is not in its mask");
  }
  self = {State::kCollective, site, kind, mask, value, source, 0};
  const auto in_mask = [&](size_t t) { return (mask >> (t - base) & 1) != 0; };
  const size_t end = std::min(base + kWarp, threads.size());
  unsigned& lanes_waiting = waiting[base / kWarp];
  lanes_waiting |= 1u << (me - base);
  bool complete = (lanes_waiting & mask) == mask;
  for (size_t t = base; complete && t < end; t++) {
    const Thread& o = threads[t];
    if (in_mask(t)) complete = o.mask == mask && o.kind == kind && same(o.site, site);
  }
  if (!complete) {
    wait(State::kCollective, site);
    return threads[me].result;
  }
  lanes_waiting &= ~mask;
  if (kind == Collective::kSync && mask == 0xffffffffu) passed_warp_barrier(base / kWarp);
  if (kind == Collective::kTogether) {
    void* brought[kWarp];
    for (size_t l = 0; l < kWarp; l++) brought[l] = reinterpret_cast<void*>(threads[base + l].value);
    work(brought);
  }
  uint64_t votes = 0;
  for (size_t t = base; t < end; t++) {
    if (in_mask(t) && threads[t].value != 0) votes |= uint64_t{1} << (t - base);
  }
  for (size_t t = base; t < end; t++) {
    if (!in_mask(t)) continue;
    Thread& o = threads[t];
    o.result = kind == Collective::kBallot ? votes : threads[base + static_cast<size_t>(o.source)].value;
    o.state = State::kReady;
    if (t != me) ready.push_back(static_cast<int>(t));
  }
  return self.result;
}

}  // namespace

void fail_thread(const std::string& what, Site site) {
  if (grid == nullptr) {
    fprintf(stderr, "%s: %s\n", text_of(site).c_str(), what.c_str());
    abort();
  }
  fail(what + " at " + text_of(site));
}

void fail_thread(const std::string& what) { fail(what); }

void* dynamic_shared() {
  return dynamic_shared_begin(grid->shared_bytes, grid->at_once ? static_cast<size_t>(current / block_threads) : 0);
}

int lane() { return current % kWarp; }

void need_ampere(const char* what, Site site) {
  if (grid->is_turing)
    fail(std::string(what) + " at " + text_of(site) + ", which compute capability 7.5 does not have");
}

void sync_threads(Site site) {
  need_cooperation("__syncthreads", site);
  wait(State::kBarrier, site);
}

void count_release(unsigned* count) {
  ++*count;
  block_arrived(count);
}

void await_acquire(const unsigned* count, unsigned wanted, const char* file, int line) {
  const Site site{file, line};
  need_cooperation("waiting for a count", site);
  if (!grid->at_once) {
    fail("waits for a count at " + text_of(site) +
         " in a kernel whose blocks need not run at once: use launch_at_once()");
  }
  Thread& self = threads[static_cast<size_t>(current)];
  self.mask = wanted;
  self.value = reinterpret_cast<uint64_t>(count);
  static_cast<void>(*static_cast<const volatile unsigned*>(count));  // in reach
  wait(State::kCount, site);
  block_waited();
}

void sync_warp(unsigned mask, Site site) { collective(Collective::kSync, mask, 0, current % kWarp, site); }

unsigned ballot(unsigned mask, bool predicate, Site site) {
  return static_cast<unsigned>(collective(Collective::kBallot, mask, predicate, 0, site));
}

uint64_t exchange(unsigned mask, uint64_t value, int source, Site site) {
  return collective(Collective::kExchange, mask, value, source, site);
}

Copies& copies() {
  if (!grid->cooperating) fail("copies to shared memory in a kernel that was started by launch()");
  return copies_of[static_cast<size_t>(current)];
}

void together(WarpWork work, void* brought, Site site) {
  collective(Collective::kTogether, 0xffffffffu, reinterpret_cast<uint64_t>(brought), 0, site, work);
}

// After a block: what it has written of the __shared__ variables needs room beside its dynamic shared memory.
void check_shared() {
  if (grid->shared_bytes == 0 || !failure.empty()) return;
  const size_t variables = shared_in_use();
  if (grid->shared_bytes + variables <= grid->most_shared) return;
  failure = "needs " + std::to_string(variables) + " bytes of shared memory for its variables beside " +
            std::to_string(grid->shared_bytes) + " of dynamic shared memory: a block has " +
            std::to_string(grid->most_shared);
}

// Until every thread has returned or one has failed.
void run_threads() {
  const Watch watch(*grid->agent);
  const Signals signals;
  if (!grid->cooperating) {
    need_fibers(1);
    threads.assign(1, Thread{});
    watch_launch(1);
    fibers[0]->start(run_plain, nullptr);
    resume(0);
    return;
  }
  const uint64_t blocks = count(grid->grid);
  block_threads = static_cast<int>(count(grid->block));
  threads.assign(count(grid->block) * (grid->at_once ? blocks : 1), Thread{});
  need_fibers(threads.size());
  if (grid->at_once) return run_blocks_at_once();
  watch_launch((threads.size() + kWarp - 1) / kWarp);
  const Order order(blocks, grid->seed);
  for (uint64_t b = 0; b < blocks && failure.empty(); b++) {
    blockIdx = position(order.at(b), grid->grid);
    poison_shared(b);
    poison_dynamic_shared(grid->shared_bytes, 0);
    start_threads();
    run_block(0);
    if (b == 0) check_shared();
  }
}

std::string run_grid(const Grid& to_run, const std::function<void()>& thread) {
  std::lock_guard<std::mutex> lock(one_grid);
  Grid rounded = to_run;
  rounded.shared_bytes = (to_run.shared_bytes + 15) / 16 * 16;
  grid = &rounded;
  work = &thread;
  failure.clear();
  random_state = grid->seed;
  gridDim = grid->grid;
  blockDim = grid->block;
  run_threads();
  watch_nothing();
  grid = nullptr;
  std::string what = failure;
  if (what.empty()) what = check_red_zones();
  return what.empty() ? what : "the kernel launched at " + text_of(to_run.site) + " " + what;
}

}  // namespace emulation
