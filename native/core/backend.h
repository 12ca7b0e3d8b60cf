// What a device must do. A session owns one backend; every call comes from the device's executor thread. Memory: one
// persistent region (kept, zero-filled when it grows), one scratch region as large as the largest loaded program needs,
// and slots: data sets of their own, reached through a table, so that prepared steps never hold a data set's address. A
// slot has a spare beside it, which no program can name: it is filled while steps run on the slot, then turned.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/program.h"

namespace gradstep {

constexpr int kSlots = 128;
constexpr int kAllSlots = 2 * kSlots;

constexpr bool is_spare(int slot) { return slot >= kSlots; }
constexpr int spare_of(int slot) { return slot + kSlots; }

// A data set: rows of equal size. The table of slots is what gather and scatter read.
struct Slot {
  void* data;
  int64_t rows;
  int64_t row_elements;
  DType dtype;
  int32_t reserved;
};

// A piece of memory: of a region, or of a slot when `slot` is not negative.
struct Span {
  Region region;
  int32_t slot;
  uint64_t offset;
  uint64_t bytes;
};

// When a run ends before its last step, and what may be done within it.
struct RunControl {
  // Of a run that has a bound: how long it goes on, at least, though others wait for the device.
  static constexpr double kTurnSeconds = 0.002;

  const std::atomic<bool>* stop;  // end after the current step when this is set
  double budget_seconds;          // end when this much time has passed; 0: no bound
  // Does one thing that may be done between steps, and says whether there was one. A run calls it as often as it can
  // without keeping the device waiting. May be empty.
  std::function<bool()> ahead = nullptr;
  // Whether others wait for the device. May be empty.
  std::function<bool()> awaited = nullptr;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  bool stopped() const { return stop != nullptr && stop->load(std::memory_order_relaxed); }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); }
  // Whether its time is over: asked after a step, so that every run does at least one.
  bool spent() const {
    if (budget_seconds <= 0) return false;
    const double now = seconds();
    return now >= budget_seconds || (now >= kTurnSeconds && awaited && awaited());
  }
};

struct MemoryUse {
  uint64_t persistent, scratch, workspace, slots;
};

struct DeviceInfo {
  std::string name;         // "cpu", "cuda:0"
  std::string description;  // processor or GPU name
  uint64_t memory_bytes;
  bool bfloat16 = false;  // whether it has units that multiply such numbers
};

// What was chosen by measuring, and may be chosen again where the device is the same.
struct MeasuredChoices {
  std::string device;  // all of it and its libraries that they may depend on; empty: none are made
  std::map<std::string, std::string> taken;  // by what each is for; in hexadecimal digits
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Grows the persistent region; programs that are loaded stay valid. ERR_OOM names requested and used bytes.
  virtual void reserve(uint64_t persistent_bytes) = 0;
  // Prepares every step. The program was verified. Returns the entry to run it by.
  virtual int load(Program program) = 0;
  virtual void unload(int entry) = 0;
  // Runs the program up to `steps` times; returns how many times it ran, all of them finished.
  virtual int64_t run(int entry, int64_t steps, const RunControl& control) = 0;
  // Runs like `run`, and reads the clock: for each time the program ran, when it began and when each of its steps had
  // ended, in seconds on one clock.
  virtual std::vector<double> profile(int entry, int64_t steps, const RunControl& control) = 0;
  virtual void write(const Span& to, const void* data) = 0;
  virtual void read(const Span& from, void* data) = 0;
  virtual void allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements) = 0;
  virtual void release_slot(int slot) = 0;
  // The slot and its spare change places: steps to come read what was written to the spare.
  virtual void turn_slot(int slot) = 0;
  virtual MemoryUse memory() const = 0;
  // What the programs that are loaded use of such choices; a device that makes none has none.
  virtual MeasuredChoices choices() const { return {}; }
  // Programs that are loaded from now on take what an earlier session's used, as far as that is possible.
  virtual void recall(const MeasuredChoices&) {}
};

}  // namespace gradstep
