// Which steps of a program may run side by side: those that use no memory in common, or only read it. A program lies in
// the order in which its steps may run one after another; what a step must wait for follows from the ranges that
// it and the steps before it use. Steps are dealt out to a few lanes, each of which runs its own one after another, so
// that a lane's steps can share a workspace.
#pragma once

#include <cstdint>
#include <vector>

#include "core/program.h"

namespace gradstep {

constexpr int kMostLanes = 4;

struct Schedule {
  std::vector<int> lane;  // of each step, counted from 0 without gaps
  int lanes = 1;
  // Steps on the longest way through: what is left where nothing has to wait for its lane. The number of steps: nothing
  // may run beside anything else.
  int longest = 0;
};

Schedule schedule(const Program& program);

// For each step of the program run `times` over, numbered through, the earlier ones that it waits for: by memory, as
// its lane's last one, or because both are `exclusive`, of which one runs at a time (empty: none is); without those
// that another one of them waits for.
std::vector<std::vector<int>> waits(const Program& program, const Schedule& schedule, int64_t times,
                                    const std::vector<bool>& exclusive = {});

}  // namespace gradstep
