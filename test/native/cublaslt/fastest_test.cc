// Which of several entrants cuda/fastest.h takes, on a stand-in for CUDA's runtime whose launches take as long as the
// test says: a device that was idle is slow at first, and copies come when they are waited for.
#include "cuda/fastest.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "../harness.h"
#include "fake_cudart.h"

namespace gradstep::cuda {
namespace {

double taken = 0;  // seconds, by launches so far

void fresh_device() {
  fake_device() = FakeDevice{};
  taken = 0;
  fake_device().seconds = [] { return taken; };
}

struct Entrant {
  double seconds;
  float value;  // what it writes everywhere
};

// Of entrants with two results: float32, in as many pieces as a large one is looked at in, and bfloat16.
int fastest_of(const std::vector<Entrant>& entrants, int64_t floats = 5 << 20) {
  std::vector<float> wide(static_cast<size_t>(floats));
  std::vector<uint16_t> narrow(7);
  const auto write = [&](float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    std::fill(wide.begin(), wide.end(), value);
    std::fill(narrow.begin(), narrow.end(), static_cast<uint16_t>(bits >> 16));
  };
  return fastest({static_cast<int>(entrants.size()),
                  [&](int i, cudaStream_t) {
                    const Entrant& entrant = entrants[static_cast<size_t>(i)];
                    taken += entrant.seconds;
                    if (!fake_device().is_capturing) write(entrant.value);
                    return true;
                  },
                  [&](cudaStream_t) { write(0.f); },
                  {{wide.data(), floats}, {narrow.data(), 7, DType::kBfloat16}},
                  0.1});
}

TEST(a_device_that_was_idle_does_not_count_against_the_first) {
  for (const double idle : {1e-3, 1e-2, 1e-1}) {
    fresh_device();
    fake_device().slow_seconds = idle;
    EXPECT_EQUAL(fastest_of({{1e-3, 1.f}, {1.2e-3, 1.f}, {2e-3, 1.f}}, 16), 0);
    EXPECT_EQUAL(fake_device().alive, 0);
  }
}

TEST(results_are_looked_at_when_they_have_come) {
  fresh_device();
  EXPECT_EQUAL(fastest_of({{3e-3, 1.f}, {1e-3, 2.f}, {2e-3, 1.f}}), 2);
  EXPECT_EQUAL(fastest_of({{3e-3, 1.f}, {1e-3, 1.05f}, {2e-3, 1.f}}), 1);
}

// The first one's numbers are those that the others are held against, however slow it is.
TEST(the_first_is_right) {
  fresh_device();
  EXPECT_EQUAL(fastest_of({{3e-3, 1.f}, {1e-3, 2.f}, {2e-3, 2.f}}, 16), 0);
}

TEST(without_entrants_there_is_none) {
  fresh_device();
  EXPECT_EQUAL(fastest_of({}, 16), -1);
}

}  // namespace
}  // namespace gradstep::cuda
