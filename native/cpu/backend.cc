// The CPU executor: one persistent block, one scratch block, one workspace, slots, and programs as lists of steps. When
// a block moves, every program is prepared again before it runs (oneDNN caches what it compiled, so that is quick). So
// what memory there was not enough for leaves nothing behind that holds an old address.
#include <omp.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "core/cpu_device.h"
#include "core/error.h"
#include "cpu/dnnl_seam.h"
#include "cpu/prepare.h"
#include "cpu/step_list.h"
#include "cpu/tiles.h"
#include "generated/cpu_ops.h"

namespace gradstep::cpu {
namespace {

// Numbers below 1.2e-38 count as zero: arithmetic with them takes a hundred times as long, and vanishing gradients
// squared are such numbers.
void flush_subnormals() {
#if defined(__SSE2__)
  constexpr unsigned kFlushToZero = 0x8000, kSubnormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kSubnormalsAreZero);
#elif defined(__aarch64__)
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" : : "r"(mode | uint64_t{1} << 24));
#endif
}

constexpr size_t kHugePage = size_t{2} << 20;

// A block of memory, zero-filled, on huge pages where the system gives them.
class Block {
 public:
  Block() = default;
  explicit Block(size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    data_.reset(static_cast<char*>(std::aligned_alloc(alignment, rounded)));
    if (!data_) throw Error("ERR_OOM", "Out of memory: " + std::to_string(bytes) + " bytes were requested");
    if (alignment == kHugePage) madvise(data_.get(), rounded, MADV_HUGEPAGE);
    std::memset(data_.get(), 0, rounded);
  }
  char* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> data_;
  size_t bytes_ = 0;
};

using Clock = std::chrono::steady_clock;

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(int threads) : threads_(std::min(threads, omp_get_thread_limit())), team_(threads_) {}

  void reserve(uint64_t bytes) override {
    if (bytes <= persistent_.bytes()) return;
    Block grown(bytes);
    if (persistent_.bytes() > 0) std::memcpy(grown.data(), persistent_.data(), persistent_.bytes());
    forget_addresses();
    persistent_ = std::move(grown);
  }

  int load(Program program) override {
    reserve(program.persistent_bytes);
    const int entry = next_entry_++;
    const auto at = entries_.emplace(entry, Entry{std::move(program), {}}).first;
    try {
      make_ready(at->second);
    } catch (...) {
      entries_.erase(entry);
      throw;
    }
    return entry;
  }

  void unload(int entry) override { entries_.erase(entry); }

  int64_t run(int entry, int64_t steps, const RunControl& control) override {
    StepList& program = enter(entry);
    return repeat(steps, control, [&] { program.run(team_, [] {}); });
  }

  std::vector<double> profile(int entry, int64_t steps, const RunControl& control) override {
    StepList& program = enter(entry);
    std::vector<double> moments;
    const auto start = Clock::now();
    const auto note = [&] { moments.push_back(std::chrono::duration<double>(Clock::now() - start).count()); };
    repeat(steps, control, [&] {
      note();
      program.run(team_, note);
    });
    return moments;
  }

  void write(const Span& to, const void* data) override { std::memcpy(address(to), data, to.bytes); }
  void read(const Span& from, void* data) override { std::memcpy(data, address(from), from.bytes); }

  void allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements) override {
    release_slot(slot);
    slot_blocks_[slot] = Block(static_cast<size_t>(rows) * row_elements * dtype_bytes(dtype));
    slots_[slot] = {slot_blocks_[slot].data(), rows, row_elements, dtype, 0};
  }

  void release_slot(int slot) override {
    slot_blocks_[slot] = Block();
    slots_[slot] = Slot{};
  }

  void turn_slot(int slot) override {
    std::swap(slot_blocks_[slot], slot_blocks_[spare_of(slot)]);
    std::swap(slots_[slot], slots_[spare_of(slot)]);
  }

  MemoryUse memory() const override {
    MemoryUse use{persistent_.bytes(), scratch_.bytes(), workspace_.bytes(), 0};
    for (const Block& block : slot_blocks_) use.slots += block.bytes();
    return use;
  }

 private:
  struct Entry {
    Program program;
    StepList steps;  // on the addresses of now, where it is ready
    bool is_ready = false;
  };

  // Calls `once` up to `steps` times, and returns how many times it did.
  template <typename Once>
  static int64_t repeat(int64_t steps, const RunControl& control, const Once& once) {
    int64_t done = 0;
    while (done < steps && !control.stopped()) {
      once();
      done++;
      while (control.ahead && control.ahead()) continue;
      if (control.spent()) break;
    }
    return done;
  }

  // The steps of an entry, ready to run on this thread.
  StepList& enter(int entry) {
    const auto found = entries_.find(entry);
    if (found == entries_.end()) throw Error("ERR_PROGRAM", "No program is loaded as " + std::to_string(entry));
    make_ready(found->second);
    enter();
    return found->second.steps;
  }

  // Before anything runs on this thread: how many threads take part, whatever the environment says of OpenMP (oneDNN
  // relies on a team of that size), and how they compute. Threads of the team are made by this one and inherit its
  // floating-point mode.
  void enter() const {
    flush_subnormals();
    omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1) omp_set_max_active_levels(1);
    omp_set_num_threads(threads_);
  }

  void make_ready(Entry& entry) {
    if (entry.is_ready) return;
    enter();
    try {
      if (entry.program.scratch_bytes > scratch_.bytes()) replace(scratch_, entry.program.scratch_bytes);
      size_t needed = prepare(entry);
      while (needed > workspace_.bytes()) {
        replace(workspace_, needed);
        needed = prepare(entry);
      }
    } catch (const std::bad_alloc&) {
      throw Error("ERR_OOM", "Out of memory: a program could not be prepared");
    }
    entry.is_ready = true;
  }

  // Prepares the steps on the blocks of now; returns the bytes of workspace that they need.
  size_t prepare(Entry& entry) {
    Prepare context(persistent_.data(), scratch_.data(), slots_, workspace_.data(), threads_, dnnl_);
    entry.steps.clear();
    for (const ProgramStep& step : entry.program.steps) {
      try {
        Step prepared = prepare_step(context, step.op, step.args);
        entry.steps.add(std::move(prepared), context.took_dnnl());
      } catch (const Error& error) {
        throw Error(error.code(), std::string(error.what()) + " (in " + step.scope + ")");
      }
    }
    return context.workspace_bytes();
  }

  // Makes a block larger whose contents do not outlive a step. The old one goes first; both at once may be too much.
  void replace(Block& block, size_t bytes) {
    forget_addresses();
    block = Block();
    block = Block(bytes);
  }

  void forget_addresses() {
    for (auto& [number, entry] : entries_) {
      entry.steps.clear();
      entry.is_ready = false;
    }
  }

  char* address(const Span& span) {
    const Block& block = span.slot >= 0                       ? slot_blocks_[span.slot]
                         : span.region == Region::kPersistent ? persistent_
                                                              : scratch_;
    if (span.offset > block.bytes() || span.bytes > block.bytes() - span.offset) {
      throw Error("ERR_INTERNAL", "A transfer of " + std::to_string(span.bytes) + " bytes at " +
                                      std::to_string(span.offset) + " leaves its block of " +
                                      std::to_string(block.bytes()) + " bytes");
    }
    return block.data() + span.offset;
  }

  int threads_;
  ThreadTeam team_;
  Dnnl dnnl_;
  Block persistent_, scratch_, workspace_;
  Slot slots_[kAllSlots] = {};
  Block slot_blocks_[kAllSlots];
  std::map<int, Entry> entries_;
  int next_entry_ = 1;
};

}  // namespace

std::unique_ptr<Backend> create_backend(int threads) {
  return std::make_unique<CpuBackend>(threads > 0 ? threads : usable_threads());
}

bool multiplies_bfloat16() { return has_tiles(); }

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace gradstep::cpu
