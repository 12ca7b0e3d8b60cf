// A session as the executor's thread sees it: the backend, made when it is first needed, and what must be checked
// before a call reaches it. All methods but the constructor belong to that thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/error.h"

namespace gradstep {

// A program that runs a number of times.
struct Stretch {
  int entry;
  int64_t steps;
};

struct RunResult {
  int64_t steps;
  double seconds;
};

class Session {
 public:
  // `memory_limit`: bytes the device has, 0 where the backend itself knows best.
  Session(std::function<std::unique_ptr<Backend>()> create, uint64_t memory_limit);

  void reserve(uint64_t bytes);
  int load(const void* program, size_t bytes);
  void unload(int entry);
  RunResult run(int entry, int64_t steps, const RunControl& control);
  // Runs one stretch after the other until the time is over; at least one step.
  RunResult run_series(const std::vector<Stretch>& stretches, const RunControl& control);
  // Runs an entry and reads the clock between the program's steps; see Backend::profile.
  std::vector<double> profile(int entry, int64_t steps, const RunControl& control);
  void write(const Span& to, const void* data);
  // Throws unless the span lies inside its memory: asked before a buffer for it is made.
  void check(const Span& span);
  void read(const Span& from, void* data);
  void allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements);
  void release_slot(int slot);
  void turn_slot(int slot);
  MemoryUse memory();
  MeasuredChoices choices();
  void recall(const MeasuredChoices& earlier);
  // Releases the device's memory; the session is of no use afterwards.
  void close();

 private:
  Backend& backend();
  // The backend; throws unless the entry is loaded.
  Backend& backend_with(int entry);
  void make_room(uint64_t bytes);
  // Calls `work`; what the device throws is noted, so that later calls fail at once.
  template <typename Work>
  auto guarded(bool running, Work work) -> decltype(work());

  const std::function<std::unique_ptr<Backend>()> create_;
  const uint64_t memory_limit_;
  std::unique_ptr<Backend> backend_;
  std::set<int> entries_;
  uint64_t slot_bytes_[kAllSlots] = {};
  bool slot_used_[kAllSlots] = {};
  std::string failure_;  // why the device failed; empty: it did not
  bool closed_ = false;
};

}  // namespace gradstep
