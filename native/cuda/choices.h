// What was measured to be the fastest on a device, as one session uses it: kept in the file of algorithm_cache.h under
// the device, its driver and what the choice is for.
#pragma once

#include <optional>
#include <string>

#include "cuda/algorithm_cache.h"

namespace gradstep::cuda {

class Choices {
 public:
  using Bytes = AlgorithmCache::Bytes;

  // `deterministic`: nothing is measured and nothing that was measured before is used.
  Choices(int device, bool deterministic);

  bool measures() const { return !device_.empty(); }
  // What was chosen before. `what`: without line breaks and tabs.
  std::optional<Bytes> find(const std::string& what) const;
  void keep(const std::string& what, const Bytes& choice) const;

 private:
  std::string device_;  // what choices on it may depend on; empty: none are made
};

}  // namespace gradstep::cuda
