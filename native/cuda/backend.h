// The CUDA executor of one session: memory, programs captured as graphs, and the loop that launches them. A program is
// prepared once and captured into a graph of one step and, for long runs of short steps, into one of several; a run
// only launches graphs, a few batches of steps ahead of the device. What a program does may come one after another in a
// graph or, where memory allows it, side by side; which is faster, its first runs tell. What is written to spare slots
// is copied meanwhile, on a stream of its own. After ERR_DEVICE_FAILED nothing it holds can be relied on; the session
// (core/session.h) lets nobody in any more.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/schedule.h"
#include "cuda/choices.h"
#include "cuda/cudnn.h"
#include "cuda/gemm.h"
#include "cuda/handles.h"
#include "cuda/prepare.h"
#include "cuda/race.h"
#include "cuda/transfer.h"

namespace gradstep::cuda {

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, bool deterministic);
  ~CudaBackend() override;

  void reserve(uint64_t persistent_bytes) override;
  int load(Program program) override;
  void unload(int entry) override;
  int64_t run(int entry, int64_t steps, const RunControl& control) override;
  std::vector<double> profile(int entry, int64_t steps, const RunControl& control) override;
  void write(const Span& to, const void* data) override;
  void read(const Span& from, void* data) override;
  void allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements) override;
  void release_slot(int slot) override;
  void turn_slot(int slot) override;
  MemoryUse memory() const override;
  MeasuredChoices choices() const override;
  void recall(const MeasuredChoices& earlier) override { choices_.recall(earlier); }

 private:
  // Steps and graphs: empty and null where addresses changed since they were made.
  struct Entry {
    Program program;
    Schedule schedule;
    Race race;
    Choices::Uses uses;
    std::vector<Step> steps;
    std::vector<bool> exclusive;  // of each step
    struct Graphs {
      OwnedGraphExec one_step;
      OwnedGraphExec long_graph;
    } graphs[2];             // of each form; captured when a run first uses them
    int64_t long_steps = 1;  // how many a long graph holds; 1: the program is too long for one
  };

  void enter();  // makes the device the calling thread's
  Entry& entry_of(int entry);
  void drop_graphs();
  void grow_scratch(uint64_t bytes);
  void build(Entry& entry);
  void prepare_steps(Entry& entry);
  // The program `times` over. `clocks`, where it is in turn: empty, or events of which one is recorded at the beginning
  // and one after each of its steps.
  OwnedGraph capture(const Entry& entry, Form form, int64_t times, const std::vector<OwnedEvent>& clocks = {});
  OwnedGraphExec instantiate(const OwnedGraph& graph);
  void launch(Entry& entry, Form form, int64_t steps);
  void await(cudaEvent_t event, const RunControl& control);
  char* address_of(const Span& span);
  Transfer& transfer_to(const Span& span) {
    return *(span.slot >= 0 && is_spare(span.slot) ? copy_beside_ : transfer_);
  }
  void publish_slot(int slot, const Slot& entry);

  const int device_;
  Choices choices_;
  DeviceTraits traits_;
  OwnedStream stream_, copy_stream_;
  OwnedEvent turned_[2];
  OwnedEvent run_begun_, batch_done_[3];
  std::unique_ptr<Transfer> transfer_, copy_beside_;  // on either stream
  std::unique_ptr<Gemm> gemm_;
  CudnnOfSession cudnn_;
  DeviceMemory persistent_, scratch_, slot_table_;
  DeviceMemory workspaces_[kMostLanes];
  void* workspace_addresses_[kMostLanes] = {};
  Slot slots_[kAllSlots] = {};
  DeviceMemory slot_memory_[kAllSlots];
  std::map<int, Entry> entries_;
  int next_entry_ = 1;
};

}  // namespace gradstep::cuda
