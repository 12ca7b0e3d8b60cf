// A device made of memory and sleep, for the tests of sessions, executors and the binding: what a program says does not
// matter, a step takes as long as asked and counts itself in the first eight bytes of the persistent region.
#pragma once

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/backend.h"
#include "core/error.h"

namespace gradstep::test {

struct FakeOptions {
  int step_ms = 0;
  uint64_t workspace = 0;  // what it says to use
  // What a run does at its second step.
  enum { kNothing, kThrow, kThrowForeign, kThrowOom, kThrowFailed } at_step_two = kNothing;
};

class FakeBackend : public Backend {
 public:
  explicit FakeBackend(FakeOptions options = {}) : options_(options) {}

  void reserve(uint64_t bytes) override {
    if (bytes > persistent_.size()) persistent_.resize(bytes);
  }
  int load(Program program) override {
    reserve(program.persistent_bytes);
    if (program.scratch_bytes > scratch_.size()) scratch_.resize(program.scratch_bytes);
    programs_.emplace(next_, std::move(program));
    return next_++;
  }
  void unload(int entry) override { programs_.erase(entry); }

  int64_t run(int, int64_t steps, const RunControl& control) override {
    int64_t done = 0;
    while (done < steps && !control.stopped()) {
      if (done == 1) misbehave();
      std::this_thread::sleep_for(std::chrono::milliseconds(options_.step_ms));
      count();
      done++;
      while (control.ahead && control.ahead()) continue;
      if (control.spent()) break;
    }
    return done;
  }

  // One step a program, which takes one second of a clock of its own.
  std::vector<double> profile(int entry, int64_t steps, const RunControl& control) override {
    std::vector<double> moments;
    const auto done = static_cast<double>(run(entry, steps, control));
    for (double at = 0; at < done; at++) moments.insert(moments.end(), {at, at + 1});
    return moments;
  }

  void write(const Span& to, const void* data) override { std::memcpy(place(to), data, to.bytes); }
  void read(const Span& from, void* data) override { std::memcpy(data, place(from), from.bytes); }
  void allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements) override {
    slots_[slot].assign(static_cast<size_t>(rows * row_elements) * dtype_bytes(dtype), 0);
  }
  void release_slot(int slot) override { slots_.erase(slot); }
  void turn_slot(int slot) override { std::swap(slots_[slot], slots_[spare_of(slot)]); }
  MemoryUse memory() const override {
    MemoryUse use{persistent_.size(), scratch_.size(), options_.workspace, 0};
    for (const auto& [slot, data] : slots_) use.slots += data.size();
    return use;
  }

 private:
  void misbehave() const {
    switch (options_.at_step_two) {
      case FakeOptions::kNothing:
        return;
      case FakeOptions::kThrow:
        throw std::runtime_error("the fake broke");
      case FakeOptions::kThrowForeign:
        throw 42;
      case FakeOptions::kThrowOom:
        throw std::bad_alloc();
      case FakeOptions::kThrowFailed:
        throw Error("ERR_DEVICE_FAILED", "the fake fell off the bus");
    }
  }

  void count() {
    if (persistent_.size() < sizeof(int64_t)) return;
    int64_t steps;
    std::memcpy(&steps, persistent_.data(), sizeof steps);
    steps++;
    std::memcpy(persistent_.data(), &steps, sizeof steps);
  }

  char* place(const Span& span) {
    std::vector<char>& memory = span.slot >= 0                       ? slots_[span.slot]
                                : span.region == Region::kPersistent ? persistent_
                                                                     : scratch_;
    return memory.data() + span.offset;
  }

  const FakeOptions options_;
  std::vector<char> persistent_, scratch_;
  std::map<int, std::vector<char>> slots_;
  std::map<int, Program> programs_;
  int next_ = 1;
};

}  // namespace gradstep::test
