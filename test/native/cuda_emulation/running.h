// The grid that runs, as its scheduler (grid.cc) and the calls of its threads (waiting.cc) share it. One grid runs at a
// time. Nothing of it is ever destroyed: a process may end while a device's thread is still at work.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cluster.h"
#include "copies.h"
#include "emulation.h"
#include "fiber.h"

namespace emulation::running {

enum class State { kReady, kBarrier, kCount, kCluster, kCollective, kDone };
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

extern const Grid* grid;
extern std::vector<std::unique_ptr<Fiber>>& fibers;
extern std::vector<Thread>& threads;    // of a block, or of the blocks that are there together, one after another
extern std::vector<Copies>& copies_of;  // each thread
extern std::vector<unsigned>& waiting;  // of each warp: the lanes that wait in a collective
extern std::vector<int>& ready;
extern int current;        // thread
extern int block_threads;  // of a block; 1 where threads never wait
extern Cluster& cluster;
extern std::string& failure;

std::string text_of(Site site);
inline bool same(Site a, Site b) { return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0); }
// A thread's block among those that are there together.
inline size_t place_of(int thread) { return static_cast<size_t>(thread / block_threads); }
inline bool is_in_cluster() { return grid->meeting == Meeting::kCluster; }
// Tells those who look at accesses how far the current thread has come with its cluster's barrier.
void watch_cluster();
// Ends the launch as the failure of the current thread.
[[noreturn]] void fail(const std::string& message);

}  // namespace emulation::running
