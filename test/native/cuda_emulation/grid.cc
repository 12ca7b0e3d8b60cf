#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "device_memory.h"
#include "order.h"
#include "races.h"
#include "running.h"
#include "seeded_order.h"
#include "shared_memory.h"
#include "signals.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace emulation {
namespace running {

const Grid* grid;
std::vector<std::unique_ptr<Fiber>>& fibers = *new std::vector<std::unique_ptr<Fiber>>;
std::vector<Thread>& threads = *new std::vector<Thread>;
std::vector<Copies>& copies_of = *new std::vector<Copies>;
std::vector<unsigned>& waiting = *new std::vector<unsigned>;
std::vector<int>& ready = *new std::vector<int>;
int current;
int block_threads;
Cluster& cluster = *new Cluster;
std::string& failure = *new std::string;

std::string text_of(Site site) {
  const char* cut = strrchr(site.file, '/');
  return std::string(cut == nullptr ? site.file : cut + 1) + ":" + std::to_string(site.line);
}

void watch_cluster() {
  const auto me = static_cast<size_t>(current);
  if (is_in_cluster()) stands_in_cluster(cluster.arrived(me), cluster.waited(me));
}

void fail(const std::string& message) {
  failure = message;
  for (;;) fibers[static_cast<size_t>(current)]->yield();
}

}  // namespace running

using namespace running;

namespace {

std::mutex one_grid;
const std::function<void()>* work;
uint64_t random_state;

using running::text_of;

std::string text_of(const char* name, uint3 v) {
  return std::string(name) + " (" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}

uint3 position(uint64_t i, dim3 size) {
  return {static_cast<unsigned>(i % size.x), static_cast<unsigned>(i / size.x % size.y),
          static_cast<unsigned>(i / size.x / size.y)};
}

uint64_t count(dim3 size) { return uint64_t{size.x} * size.y * size.z; }

uint64_t number(uint3 at, dim3 size) { return at.x + uint64_t{size.x} * (at.y + uint64_t{size.y} * at.z); }

// Resumes a fiber and turns a signal that it caused into a failure.
void resume(int thread) {
  current = thread;
  Fiber& fiber = *fibers[static_cast<size_t>(thread)];
  if (grid->meeting != Meeting::kNone) {
    watch_thread(number(blockIdx, grid->grid), static_cast<uint64_t>(thread % block_threads), place_of(thread),
                 static_cast<size_t>(thread / kWarp), fiber.stack(), Fiber::kStackBytes);
    watch_cluster();
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
      watch_thread(block, thread, 0, 0, fibers[0]->stack(), Fiber::kStackBytes);
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
  if (is_in_cluster()) {
    if (const std::string wrong = cluster.leave(static_cast<size_t>(current)); !wrong.empty()) fail(wrong);
  }
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
      if (o.state != State::kCollective || !same(o.site, thread.site))
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

// Whether a thread of the block that begins with thread `first` is in this state.
bool any_in(State state, int first) {
  const auto begin = threads.begin() + first;
  return std::any_of(begin, begin + block_threads, [state](const Thread& thread) { return thread.state == state; });
}

bool waits_for_blocks(int first) { return any_in(State::kCount, first) || any_in(State::kCluster, first); }

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
      if (all_in(State::kDone, first, end) || waits_for_blocks(first)) return;
      if (!all_in(State::kBarrier, first, end)) {
        failure = "stopped: " + describe_stuck(first) + ", in " + text_of("block", blockIdx);
        return;
      }
      for (int t = first; t < end; t++) {
        threads[static_cast<size_t>(t)].state = State::kReady;
        batch.push_back(t);
      }
      passed_barrier(place_of(first));
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

// Whether a thread waits for other blocks no longer.
bool may_go_on(int t) {
  const Thread& thread = threads[static_cast<size_t>(t)];
  if (thread.state == State::kCluster) return cluster.passes(static_cast<size_t>(t));
  return thread.state == State::kCount && static_cast<int>(count_of(thread) - thread.mask) >= 0;
}

// Lets those of a block go on that may; whether there were any, or would have been.
bool let_go_on(int first, bool only_ask) {
  bool found = false;
  for (int t = first; t < first + block_threads; t++) {
    if (!may_go_on(t)) continue;
    found = true;
    if (!only_ask) threads[static_cast<size_t>(t)].state = State::kReady;
  }
  return found;
}

// Blocks that are there together, `begin` being the first one's number, have come to where each waits for others in
// vain: says why.
std::string describe_blocks_stuck(uint64_t begin) {
  const auto block_of = [&](size_t t) {
    return text_of("block", position(begin + place_of(static_cast<int>(t)), grid->grid));
  };
  for (size_t t = 0; t < threads.size(); t++) {
    const Thread& thread = threads[t];
    if (thread.state == State::kCount) {
      return block_of(t) + " waits at " + text_of(thread.site) + " for a count of " + std::to_string(thread.mask) +
             ", which is " + std::to_string(count_of(thread));
    }
    if (thread.state != State::kCluster) continue;
    const size_t other = cluster.missing();
    return block_of(t) + " waits at " + text_of(thread.site) + " for its cluster, of which " +
           name_of(static_cast<int>(other)) + " of " + block_of(other) + " has not arrived, which waits at " +
           text_of(threads[other].site);
  }
  return "no block can go on";
}

// Blocks that may wait for one another, from number `begin` on: each runs as far as it can before the next one does, in
// another order after every round, so that what one block leaves for another too late, or takes too early, shows. Of
// those that may go on only some do, under all orders but the natural one, so that blocks get as far ahead of one
// another as their barrier lets them.
void run_blocks_together(uint64_t begin, uint64_t blocks) {
  for (uint64_t b = 0; b < blocks; b++) poison_dynamic_shared(grid->shared_bytes, b);
  cluster = Cluster(blocks, static_cast<size_t>(block_threads));
  start_threads();
  const int n = static_cast<int>(threads.size());
  const auto first_of = [](uint64_t place) { return static_cast<int>(place) * block_threads; };
  for (uint64_t turn = 0;; turn++) {
    const Order order(blocks, grid->seed == 0 ? 0 : grid->seed + begin + turn);
    for (uint64_t b = 0; b < blocks; b++) {
      const uint64_t place = order.at(b);
      blockIdx = position(begin + place, grid->grid);
      if (any_in(State::kReady, first_of(place))) run_block(first_of(place));
      if (!failure.empty()) return;
    }
    if (all_in(State::kDone, 0, n)) return;
    bool goes_on = false;
    for (uint64_t b = 0; b < blocks; b++) {
      const bool may_stay = grid->seed != 0 && goes_on && random(random_state) % 2 == 0;
      goes_on = let_go_on(first_of(order.at(b)), may_stay) || goes_on;
    }
    if (goes_on) continue;
    failure = "stopped: " + describe_blocks_stuck(begin);
    return;
  }
}

// All of them, or cluster by cluster: those wait for no other.
void run_blocks_that_meet() {
  const uint64_t blocks = count(grid->grid), together = threads.size() / static_cast<size_t>(block_threads);
  if (block_threads % kWarp != 0) {
    failure =
        "has blocks of " + std::to_string(block_threads) + " threads: blocks that run at once must be whole warps";
    return;
  }
  poison_shared(0);
  poison_dynamic_shared(grid->shared_bytes, together - 1);  // so that there are so many
  watch_launch(threads.size() / kWarp, together, grid->cluster);
  const Order order(blocks / together, grid->seed);
  for (uint64_t i = 0; i < blocks / together && failure.empty(); i++) {
    run_blocks_together(order.at(i) * together, together);
  }
  if (failure.empty() && shared_in_use() > 0) {
    failure =
        "used __shared__ variables, of which the emulation has one set: blocks that run at once need dynamic ones";
  }
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
  if (grid->meeting == Meeting::kNone) {
    need_fibers(1);
    threads.assign(1, Thread{});
    block_threads = 1;
    watch_launch(1, 1, 0);
    fibers[0]->start(run_plain, nullptr);
    resume(0);
    return;
  }
  const uint64_t blocks = count(grid->grid);
  block_threads = static_cast<int>(count(grid->block));
  const uint64_t together = grid->meeting == Meeting::kGrid ? blocks : std::max(grid->cluster, 1u);
  threads.assign(count(grid->block) * together, Thread{});
  need_fibers(threads.size());
  if (grid->meeting != Meeting::kBlock) return run_blocks_that_meet();
  watch_launch((threads.size() + kWarp - 1) / kWarp, 1, 0);
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

}  // namespace

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
