// The CUDA executor of one session: memory, programs captured as graphs, and the loop that launches them. Every step of
// a program is prepared and captured once; a run only launches the graph, a few batches of steps ahead of the device.
// After ERR_DEVICE_FAILED nothing it holds can be relied on; the session (core/session.h) lets nobody in any more.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda/gemm.h"
#include "cuda/handles.h"
#include "cuda/transfer.h"

namespace gradstep::cuda {

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int device);
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
  MemoryUse memory() const override;

 private:
  struct Entry {
    Program program;
    OwnedGraphExec graph;  // null: addresses changed since it was captured
  };

  void enter();  // makes the device the calling thread's
  Entry& entry_of(int entry);
  void drop_graphs();
  void grow_scratch(uint64_t bytes);
  void build(Entry& entry);
  std::vector<std::function<void(cudaStream_t)>> prepare_steps(const Program& program);
  // `clocks`: empty, or events of which one is recorded at the beginning and one after each step.
  OwnedGraphExec capture(const std::vector<std::function<void(cudaStream_t)>>& steps, const Program& program,
                         const std::vector<OwnedEvent>& clocks = {});
  char* address_of(const Span& span);
  void publish_slot(int slot, const Slot& entry);

  const int device_;
  int multiprocessors_ = 1;
  size_t grid_shared_bytes_ = 0;
  bool tensor_cores_ = false;
  OwnedStream stream_;
  OwnedEvent batch_done_[2];
  std::unique_ptr<Transfer> transfer_;
  std::unique_ptr<Gemm> gemm_;
  DeviceMemory persistent_, scratch_, workspace_, slot_table_;
  void* workspace_address_ = nullptr;
  DeviceMemory slot_memory_[kSlots];
  std::map<int, Entry> entries_;
  int next_entry_ = 1;
};

}  // namespace gradstep::cuda
