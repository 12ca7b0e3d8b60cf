// The whole life of a CUDA backend on the emulation, step by step, with numbers that a formula in float64 knows: what
// the tests of failing calls and of several devices put it through.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cuda/backend.h"

namespace gradstep::test {

struct LifeStep {
  const char* name;
  bool runs;  // programs: when it fails nobody knows how often they did
  std::function<void()> work;
};

class Life {
 public:
  explicit Life(int device) : device_(device) {}
  // All but the end, which is the destructor's. Each may be tried again where it failed for want of memory, unless it
  // runs a program.
  std::vector<LifeStep> steps();
  // Between two tries of a step: what was loaded before runs as ever.
  void go_on();

 private:
  void write_weights();
  void write_data(int slot);
  void clear_spare();
  void replace_data();
  void count(int64_t times);
  void give_way();
  void run(int entry, int32_t rows, int64_t times);
  void profile(int entry, int32_t rows, int64_t times);
  void expect_sums();

  int device_;
  std::unique_ptr<Backend> backend_;
  int small_ = 0, large_ = 0, counting_ = 0;
  bool has_data_ = false;
  int64_t steps_ = 0;
  std::vector<double> sums_;
};

}  // namespace gradstep::test
