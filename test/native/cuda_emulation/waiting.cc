#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cuda_runtime.h"
#include "races.h"
#include "running.h"
#include "shared_memory.h"

namespace emulation {

using namespace running;

namespace {

void need_cooperation(const char* what, Site site) {
  if (grid->meeting != Meeting::kNone) return;
  fail(std::string(what) + " at " + text_of(site) +
       " in a kernel that was started by launch(): use launch_cooperating()");
}

void need_cluster(const char* what, Site site) {
  if (is_in_cluster()) return;
  fail(std::string(what) + " at " + text_of(site) + " in a kernel that was not started by launch_clusters()");
}

// What the cluster says to what the current thread does.
void may(const std::string& wrong, Site site) {
  if (!wrong.empty()) fail(wrong + " at " + text_of(site));
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

void* dynamic_shared() { return dynamic_shared_begin(grid->shared_bytes, place_of(current)); }

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
  if (grid->meeting != Meeting::kGrid) {
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

void arrive_in_cluster(const char* file, int line) {
  need_cluster("arrives at a cluster's barrier", {file, line});
  may(cluster.arrive(static_cast<size_t>(current)), {file, line});
  watch_cluster();
}

void wait_for_cluster(const char* file, int line) {
  const Site site{file, line};
  const auto me = static_cast<size_t>(current);
  need_cluster("waits at a cluster's barrier", site);
  may(cluster.wait(me), site);
  wait(State::kCluster, site);
  cluster.go_on(me);
  watch_cluster();
}

void store_bytes_in_block(void* to, unsigned rank, const void* value, size_t bytes, Site site) {
  need_cluster("stores in another block", site);
  char* const own = static_cast<char*>(dynamic_shared());
  const ptrdiff_t at = static_cast<char*>(to) - own;
  const std::string what = "a store of " + std::to_string(bytes) + " bytes in the shared memory of a cluster's block";
  if (rank >= grid->cluster) fail_thread(what + " " + std::to_string(rank) + ", which it does not have,", site);
  if (reinterpret_cast<uintptr_t>(to) % bytes != 0) fail_thread(what + " whose address does not divide by them", site);
  if (at < 0 || static_cast<size_t>(at) + bytes > grid->shared_bytes) {
    fail_thread(what + ", " + std::to_string(at) + " after the beginning of " + std::to_string(grid->shared_bytes),
                site);
  }
  may(cluster.store(static_cast<size_t>(current), rank), site);
  char* const address = static_cast<char*>(dynamic_shared_begin(grid->shared_bytes, rank)) + at;
  stores_in_block(address, bytes, __builtin_return_address(0));
  memcpy(address, value, bytes);
}

void sync_warp(unsigned mask, Site site) { collective(Collective::kSync, mask, 0, current % kWarp, site); }

unsigned ballot(unsigned mask, bool predicate, Site site) {
  return static_cast<unsigned>(collective(Collective::kBallot, mask, predicate, 0, site));
}

uint64_t exchange(unsigned mask, uint64_t value, int source, Site site) {
  return collective(Collective::kExchange, mask, value, source, site);
}

Copies& copies() {
  if (grid->meeting == Meeting::kNone) fail("copies to shared memory in a kernel that was started by launch()");
  return copies_of[static_cast<size_t>(current)];
}

void together(WarpWork work, void* brought, Site site) {
  collective(Collective::kTogether, 0xffffffffu, reinterpret_cast<uint64_t>(brought), 0, site, work);
}

}  // namespace emulation
