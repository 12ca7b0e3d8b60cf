#include "cpu/step_list.h"

namespace gradstep::cpu {

void StepList::clear() {
  items_.clear();
  stretches_.clear();
}

void StepList::add(Step step, bool by_dnnl) { items_.push_back({std::move(step), by_dnnl, false}); }

// A team's stretch is from one step that divides its work to another, as long as none calls oneDNN between them.
void StepList::divide() {
  size_t begin = 0;
  const auto close = [&](size_t end) {
    if (end > begin) stretches_.push_back({begin, end, false});
    begin = end;
  };
  while (begin < items_.size()) {
    size_t first = begin;
    while (first < items_.size() && !(items_[first].divides && !items_[first].by_dnnl)) first++;
    close(first);
    size_t last = first;
    for (size_t i = first; i < items_.size() && !items_[i].by_dnnl; i++) {
      if (items_[i].divides) last = i + 1;
    }
    if (last > first) stretches_.push_back({first, last, true});
    begin = last;
  }
}

}  // namespace gradstep::cpu
