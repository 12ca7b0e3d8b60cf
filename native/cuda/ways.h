// Several ways to run one step of a program, all of which yield the same numbers but for rounding: which of them is
// taken. What is measured is what will run: each way is prepared once more on memory of its own, and launched from a
// graph.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cuda/prepare.h"

namespace gradstep::cuda {

struct Way {
  std::string name;  // short; in the cache file, and in GRADSTEP_CUDA_WAYS
  // Like an op's prepare function. It asks Prepare for every address, and for nothing that a session has once, such as
  // data sets. Its step may throw Refusal (check.h) where it is not the first way's.
  std::function<Step(Prepare&)> prepare;
};

struct Range {
  Tensor operand;
  float range;
};

// Prepares the fastest of the ways: as measured here or, as choices.h knows, before. The first one where the session
// measures nothing. GRADSTEP_CUDA_WAYS, names with commas between them, is there to test and to measure with: where it
// is set, a way that it names is taken, else the first.
//   what       all that the choice may depend on but the device and cuBLASLt: op, shapes, precision, what is present;
//              last, as in ", cuDNN 92801", the version of a library that some of the ways are of
//   results    what is compared with the first way's results, of operands in (−1, 1); numbers in float32 and bfloat16
//   only tolerance  the largest difference that rounding makes there ranges     operands whose numbers are in (−range,
//   range) instead
Step fastest_way(Prepare& prepare, const std::string& what, const std::vector<Way>& ways,
                 const std::vector<Tensor>& results, double tolerance, const std::vector<Range>& ranges = {});

// Which of these names GRADSTEP_CUDA_WAYS asks for, as a place among them; nothing where it is not set.
std::optional<size_t> asked_for(const std::vector<std::string>& names);

}  // namespace gradstep::cuda
