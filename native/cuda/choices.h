// What was chosen among algorithms and ways on a device, as one session uses it: what a saved session had chosen, else
// what the file of algorithm_cache.h has for the device, its driver and libraries, else what is measured now. Whatever
// was taken once stays for the session. Knows which choices a program uses, so that a later session can be told.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/backend.h"
#include "cuda/algorithm_cache.h"

namespace gradstep::cuda {

class Choices {
 public:
  using Bytes = AlgorithmCache::Bytes;
  using Uses = std::set<std::string>;

  // `deterministic`: nothing is measured and nothing that was measured before is used.
  Choices(int device, bool deterministic);

  bool measures() const { return !device_.empty(); }

  // `what` of all of these: what is chosen for; without line breaks and tabs.
  //
  // What was chosen before. Where that cannot be taken any more, take() or keep() follows.
  std::optional<Bytes> find(const std::string& what);
  // What is taken without having been measured: for this session.
  void take(const std::string& what, const Bytes& choice);
  // What was measured to be the best: for this session, and in the file for others.
  void keep(const std::string& what, const Bytes& choice);
  // What was found, taken or kept is used again.
  void use(const std::string& what) { uses_.insert(what); }

  // All that was used since the last call, which is then forgotten, or replaced by `uses`.
  Uses exchange_uses(Uses uses = {}) { return std::exchange(uses_, std::move(uses)); }

  // What was chosen for these, to be kept with a saved session, and what a saved session had.
  MeasuredChoices of(const Uses& uses) const;
  void recall(const MeasuredChoices& earlier);

 private:
  const std::string device_;            // what choices on it may depend on; empty: none are made
  std::map<std::string, Bytes> taken_;  // in this session
  std::map<std::string, Bytes> earlier_;
  Uses uses_;
};

}  // namespace gradstep::cuda
