// db [channels] = the sums of dy [rows, channels] over its rows, where the kernel that reads dy does not make them.
// Each thread sums its rows; their parts are added in order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/stored.h"

namespace gradstep::cpu {

class BiasSums {
 public:
  // db may be null: nothing to do.
  BiasSums(Stored dy, float* db, int64_t size, int64_t channels)
      : dy_(dy), db_(db), rows_(size / channels), channels_(channels) {}

  // Of workspace.
  size_t bytes(int threads) const { return db_ ? 2 * threads * channels_ * sizeof(float) : 0; }
  void run(void* workspace, int threads) const;

 private:
  Stored dy_;
  float* db_;
  int64_t rows_, channels_;
};

}  // namespace gradstep::cpu
