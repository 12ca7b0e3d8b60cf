// What happens before what: a vector clock for each stream and one for the host (Fidge 1988, Mattern 1989). Work on a
// stream comes after all that the host had waited for when it enqueued it, and after what the stream was told to wait
// for. Of two uses of an allocation that nothing orders, one of them a write, the second is told as its stream's
// failure. Copies and products say what they use. For kernels, allocations that others use too are taken out of reach
// until they are touched, first for reading, then for writing; those that only one stream has ever used are not looked
// at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "under_way.h"

namespace emulation {

// How much work of each agent lies before a moment. Agent 0 is the host.
using Clock = std::vector<uint64_t>;

// A stream's place in the order.
class Agent {
 public:
  Agent();
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  // The next piece of work begins; the host enqueues it now.
  void begin();
  void wait_for(const Clock& moment);
  int number() const { return number_; }
  const Clock& clock() const { return clock_; }  // up to the piece of work that began last
  // That piece copies from or to page-locked memory.
  void copies_to_device(const void* from, size_t bytes);
  std::string copies_to_host(void* to, const void* from, size_t bytes);
  UnderWay under_way;

 private:
  int number_;
  Clock clock_;
};

// Returns what is wrong with copies that end thereby; empty: nothing.
std::string host_waits_for(const Clock& moment);
bool has_host_waited_for(const Clock& moment);
void forget_copies(const void* pinned, size_t bytes);

// What is wrong with a use of an allocation by the agent's work of now, or by the host (null); empty: nothing.
std::string use(const Agent* agent, const void* address, bool writes);
// Before the allocation is freed. The host waits for all devices, as CUDA does then.
void forget_uses(const void* allocation);

// Looks at what a kernel of the agent uses, while it lives. Its device works meanwhile (device_memory.h).
class Watch {
 public:
  explicit Watch(const Agent& agent);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  const Agent& agent_;
};
// For the handler of a fault: whether memory was only out of reach, so that the instruction may be tried again.
bool reach(const void* address);
// Why the last fault's was not; empty: it has nothing to do with order.
std::string why_out_of_reach();

}  // namespace emulation
