// The steps of a program, and which of them one team of threads does. OpenMP's own regions are for the steps that call
// oneDNN and for what no team would repay: the first time all run so, and it shows where work is divided at all.
#pragma once

#include <vector>

#include "cpu/prepare.h"
#include "cpu/thread_team.h"

namespace gradstep::cpu {

class StepList {
 public:
  void clear();
  // `by_dnnl`: it may call oneDNN, which divides its work itself.
  void add(Step step, bool by_dnnl);

  // Runs all in order; after() follows each.
  template <typename After>
  void run(ThreadTeam& team, const After& after) {
    if (!team.is_useful()) return run_from(0, items_.size(), after);
    if (stretches_.empty()) return explore(after);
    for (const Stretch& stretch : stretches_) {
      const auto steps = [&] { run_from(stretch.begin, stretch.end, after); };
      if (stretch.by_team) {
        team.lead(steps);
      } else {
        steps();
      }
    }
  }

 private:
  struct Item {
    Step step;
    bool by_dnnl, divides;
  };
  struct Stretch {
    size_t begin, end;
    bool by_team;
  };

  template <typename After>
  void run_from(size_t begin, size_t end, const After& after) {
    for (size_t i = begin; i < end; i++) {
      items_[i].step();
      after();
    }
  }

  template <typename After>
  void explore(const After& after) {
    for (Item& item : items_) {
      const int64_t before = times_divided();
      item.step();
      item.divides = times_divided() != before;
      after();
    }
    divide();
  }

  void divide();

  std::vector<Item> items_;
  std::vector<Stretch> stretches_;  // none: not known yet
};

}  // namespace gradstep::cpu
