// to_bfloat16 on the CPU: one pass over each tensor.
#include "ops/to_bfloat16.h"

#include "cpu/bfloat16.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {

Step to_bfloat16(Prepare& prepare, const ToBfloat16Args& args) {
  struct Pair {
    const float* x;
    uint16_t* y;
    int64_t size;
    int parts;
  };
  std::vector<Pair> pairs;
  for (const RoundedPair& pair : rounded_pairs(args)) {
    const int64_t size = pair.x.size();
    pairs.push_back({prepare.at(pair.x), prepare.at<uint16_t>(pair.y), size, parts_of(size, prepare.threads())});
  }
  return [=] {
    for (const Pair& pair : pairs) {
      parallel_ranges(pair.size, pair.parts, 32, [&](int, int64_t begin, int64_t end) {
        to_bfloat16(pair.y + begin, pair.x + begin, end - begin);
      });
    }
  };
}

}  // namespace gradstep::cpu
