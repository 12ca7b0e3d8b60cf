#include "cuda/ways.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/choices.h"
#include "cuda/fastest.h"
#include "cuda/handles.h"

namespace gradstep::cuda {
namespace {

// Memory for the operands of one step, wherever they lie in a program: the same for every way that asks for it.
class Rehearsal {
 public:
  char* at(const Tensor& t) {
    const auto place = std::make_pair(t.region, t.offset);
    const uint64_t bytes = static_cast<uint64_t>(t.size()) * dtype_bytes(t.dtype);
    Operand& operand = operands_[place];
    // Tensors at one place are one tensor, seen in one shape or in several.
    if (operand.memory.bytes() < bytes) operand.memory = DeviceMemory(bytes, kPurpose);
    operand.type = t.dtype;
    return operand.memory.data();
  }

  void set(const Range& range) { operands_[{range.operand.region, range.operand.offset}].range = range.range; }

  // Numbers as they are before a launch.
  void reset(cudaStream_t stream) const {
    for (const auto& [place, operand] : operands_) {
      if (operand.memory.bytes() == 0) continue;
      if (operand.type == DType::kFloat32 || operand.type == DType::kBfloat16) {
        fill_with_numbers(operand.memory.data(),
                          static_cast<int64_t>(operand.memory.bytes() / dtype_bytes(operand.type)), stream,
                          operand.range, operand.type);
      } else {
        GRADSTEP_CUDA(cudaMemsetAsync(operand.memory.data(), 0, operand.memory.bytes(), stream));
      }
    }
  }

  // Steps ask for the workspace when they are launched.
  void* const* workspace() const { return &workspace_address_; }
  void grow_workspace(size_t bytes) {
    if (bytes <= workspace_.bytes()) return;
    workspace_ = DeviceMemory(bytes, kPurpose);
    workspace_address_ = workspace_.data();
  }

 private:
  static constexpr const char* kPurpose = "a step that is tried";
  struct Operand {
    DeviceMemory memory;
    DType type = DType::kFloat32;
    float range = 1;
  };
  std::map<std::pair<Region, uint64_t>, Operand> operands_;
  DeviceMemory workspace_;
  void* workspace_address_ = nullptr;
};

// −1: there is no room for that.
int measured(const Prepare& prepare, const std::vector<Way>& ways, const std::vector<Tensor>& results, double tolerance,
             const std::vector<Range>& ranges) {
  try {
    Rehearsal rehearsal;
    for (const Range& range : ranges) rehearsal.set(range);
    Prepare on_trial = prepare.elsewhere([&](const Tensor& t) { return rehearsal.at(t); }, rehearsal.workspace());
    std::vector<Step> steps;
    // All of it before the first launch: memory may move while ways ask for it.
    for (int pass = 0; pass < 2; pass++) {
      steps.clear();
      for (const Way& way : ways) steps.push_back(way.prepare(on_trial));
    }
    rehearsal.grow_workspace(on_trial.workspace_bytes());
    Contest contest;
    contest.entrants = static_cast<int>(ways.size());
    contest.launch = [&](int way, cudaStream_t stream) {
      try {
        steps[static_cast<size_t>(way)](stream);
        return true;
      } catch (const Refusal&) {
        return false;
      }
    };
    contest.reset = [&](cudaStream_t stream) { rehearsal.reset(stream); };
    for (const Tensor& t : results) {
      if (t.present()) contest.results.push_back({rehearsal.at(t), t.size(), t.dtype});
    }
    contest.tolerance = tolerance;
    return fastest(contest);
  } catch (const Error& error) {
    if (strcmp(error.code(), "ERR_OOM") != 0) throw;
    return -1;
  }
}

// −1: none of them.
int named(const std::string& name, const std::vector<Way>& ways) {
  const auto found = std::find_if(ways.begin(), ways.end(), [&](const Way& way) { return way.name == name; });
  return found == ways.end() ? -1 : static_cast<int>(found - ways.begin());
}

// The way that is taken, which the session remembers.
int taken(const Prepare& prepare, const std::string& what, const std::vector<Way>& ways,
          const std::vector<Tensor>& results, double tolerance, const std::vector<Range>& ranges) {
  if (ways.size() == 1) return 0;
  std::vector<std::string> names;
  for (const Way& way : ways) names.push_back(way.name);
  Choices& choices = prepare.choices();
  const auto bytes_of = [&](size_t way) -> Choices::Bytes { return {names[way].begin(), names[way].end()}; };
  if (const auto asked = asked_for(names)) {
    choices.take(what, bytes_of(*asked));
    return static_cast<int>(*asked);
  }
  if (!choices.measures()) return 0;
  if (const auto kept = choices.find(what)) {
    if (const int way = named(std::string(kept->begin(), kept->end()), ways); way >= 0) return way;
  }
  // What only trials use, products of ways that lose, no program does.
  Choices::Uses uses = choices.exchange_uses();
  const int best = measured(prepare, ways, results, tolerance, ranges);
  choices.exchange_uses(std::move(uses));
  if (best < 0) {
    choices.take(what, bytes_of(0));
    return 0;
  }
  choices.keep(what, bytes_of(static_cast<size_t>(best)));
  return best;
}

}  // namespace

std::optional<size_t> asked_for(const std::vector<std::string>& names) {
  const char* const asked = getenv("GRADSTEP_CUDA_WAYS");
  if (asked == nullptr || *asked == '\0') return std::nullopt;
  std::istringstream list(asked);
  for (std::string name; std::getline(list, name, ',');) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
  }
  return 0;
}

Step fastest_way(Prepare& prepare, const std::string& what, const std::vector<Way>& ways,
                 const std::vector<Tensor>& results, double tolerance, const std::vector<Range>& ranges) {
  return ways[static_cast<size_t>(taken(prepare, what, ways, results, tolerance, ranges))].prepare(prepare);
}

}  // namespace gradstep::cuda
