// Which of two forms of a program's graph takes less time, found while the program runs: both yield the same bits, so
// batches of steps take turns in either until each has had a few.
#pragma once

#include <cstdint>
#include <vector>

namespace gradstep::cuda {

enum class Form { kInTurn, kSideBySide };

class Race {
 public:
  Race() = default;
  // One that was won before it began.
  explicit Race(Form winner) : is_run_(false), best_(winner) {}

  // Of the next batch of steps.
  Form next();
  // What a batch took whose steps began when those before it had ended.
  void took(Form form, int64_t steps, double seconds);

 private:
  bool is_run_ = true;
  Form best_ = Form::kInTurn, turn_ = Form::kSideBySide;
  int64_t steps_ = 0;               // of the batches that are compared
  std::vector<double> seconds_[2];  // of a step
};

}  // namespace gradstep::cuda
