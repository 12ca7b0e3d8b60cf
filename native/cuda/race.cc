#include "cuda/race.h"

#include <algorithm>

namespace gradstep::cuda {
namespace {

constexpr size_t kBatches = 5;   // of either form; the first of them is for warming up
constexpr double kGain = 0.98;   // how much of the time in turn another form may take to be taken instead
constexpr double kAlike = 1.25;  // how much longer one batch may be than another to be compared

double least(const std::vector<double>& seconds) { return *std::min_element(seconds.begin() + 1, seconds.end()); }

}  // namespace

Form Race::next() {
  if (!is_run_) return best_;
  turn_ = turn_ == Form::kInTurn ? Form::kSideBySide : Form::kInTurn;
  return turn_;
}

void Race::took(Form form, int64_t steps, double seconds) {
  if (!is_run_) return;
  const double ratio = static_cast<double>(steps) / static_cast<double>(std::max<int64_t>(steps_, 1));
  if (ratio > kAlike || ratio * kAlike < 1) {
    steps_ = steps;
    for (std::vector<double>& of_form : seconds_) of_form.clear();
  }
  seconds_[static_cast<int>(form)].push_back(seconds / static_cast<double>(steps));
  const auto& [in_turn, side_by_side] = seconds_;
  if (in_turn.size() < kBatches || side_by_side.size() < kBatches) return;
  if (least(side_by_side) < kGain * least(in_turn)) best_ = Form::kSideBySide;
  is_run_ = false;
}

}  // namespace gradstep::cuda
