// Which steps of a program may run side by side: programs whose answer is known, and random ones against every pair of
// their steps.
#include "core/schedule.h"

#include <algorithm>
#include <random>

#include "harness.h"
#include "program_builder.h"

using namespace gradstep;
using namespace gradstep::test;

namespace {

using Sets = std::vector<std::vector<int>>;

constexpr int32_t kFloats = 16;

// Number `place` of the tensors side by side in scratch.
Tensor at(int place, int32_t floats = kFloats) {
  return tensor(Region::kScratch, DType::kFloat32, static_cast<uint64_t>(place) * kFloats * 4, {floats});
}

// to = from + other.
MapArgs add(const Tensor& from, const Tensor& other, const Tensor& to) {
  MapArgs args = valid_map();
  args.in0 = from;
  args.in1 = other;
  args.out0 = to;
  args.out1 = Tensor{};
  return args;
}

Program of(const std::vector<MapArgs>& steps) {
  ProgramBuilder builder;
  for (const MapArgs& step : steps) builder.add(step);
  return builder.program();
}

void expect_sets(const Sets& actual, const Sets& expected) {
  EXPECT_EQUAL(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); i++) {
    std::vector<int> sorted = actual[i];
    std::sort(sorted.begin(), sorted.end());
    if (sorted != expected[i]) fail(__FILE__, __LINE__, "step " + std::to_string(i) + " waits for others");
  }
}

}  // namespace

TEST(what_reads_the_same_runs_side_by_side) {
  // 1 = 0 + 0; then 2 = 1 + 1 and 3 = 1 + 1; then 4 = 2 + 3.
  const Program program =
      of({add(at(0), at(0), at(1)), add(at(1), at(1), at(2)), add(at(1), at(1), at(3)), add(at(2), at(3), at(4))});
  const Schedule found = schedule(program);
  EXPECT_EQUAL(found.longest, 3);
  EXPECT_EQUAL(found.lanes, 2);
  EXPECT(found.lane[1] != found.lane[2]);
  expect_sets(waits(program, found, 1), {{}, {0}, {0}, {1, 2}});
}

TEST(the_next_time_waits_for_what_it_overwrites) {
  const Program program =
      of({add(at(0), at(0), at(1)), add(at(1), at(1), at(2)), add(at(1), at(1), at(3)), add(at(2), at(3), at(4))});
  // Step 4 is step 0 again: it writes what 1 and 2 have read, for which 3 has waited, in whose lane it is.
  const Sets twice = waits(program, schedule(program), 2);
  EXPECT_EQUAL(twice.size(), size_t{8});
  EXPECT_EQUAL(twice[4].size() + twice[5].size() + twice[6].size(), size_t{1 + 1 + 1});
}

TEST(memory_that_is_taken_over_is_waited_for) {
  // 2 reads where 0 has written; 3 writes there.
  const Program program =
      of({add(at(0), at(0), at(1)), add(at(2), at(2), at(3)), add(at(1), at(1), at(4)), add(at(5), at(5), at(1))});
  const Schedule found = schedule(program);
  EXPECT_EQUAL(found.longest, 3);
  const Sets sets = waits(program, found, 1);
  EXPECT(std::find(sets[3].begin(), sets[3].end(), 2) != sets[3].end());
}

TEST(ranges_that_overlap_in_part_are_one_memory) {
  // 1 writes the second half of what 0 has written and the first of what 2 reads.
  const Program program =
      of({add(at(8), at(8), at(0, 2 * kFloats)), add(at(9), at(9), at(1, 2 * kFloats)), add(at(2), at(2), at(10))});
  EXPECT_EQUAL(schedule(program).longest, 3);
  expect_sets(waits(program, schedule(program), 1), {{}, {0}, {1}});
}

TEST(a_chain_is_a_chain) {
  const Program program = of({add(at(0), at(0), at(1)), add(at(1), at(1), at(2)), add(at(2), at(2), at(0))});
  const Schedule found = schedule(program);
  EXPECT_EQUAL(found.longest, 3);
  EXPECT_EQUAL(found.lanes, 1);
}

TEST(what_changes_an_input_is_a_writer) {
  // Adam changes its weights, which come first in its own memory; what reads them afterwards waits.
  AdamArgs adam{};
  adam.params = tensor(Region::kPersistent, DType::kFloat32, 0, {32});
  adam.grads = at(0, 32);
  adam.m = tensor(Region::kPersistent, DType::kFloat32, 128, {32});
  adam.v = tensor(Region::kPersistent, DType::kFloat32, 256, {32});
  adam.learning_rate = tensor(Region::kPersistent, DType::kFloat32, 384, {});
  adam.state = tensor(Region::kPersistent, DType::kInt32, 448, {4});
  adam.flag = tensor(Region::kPersistent, DType::kInt32, 512, {4});
  const Tensor weights = tensor(Region::kPersistent, DType::kFloat32, 64, {kFloats});
  const Program program = ProgramBuilder().add(adam).add(add(weights, weights, at(8))).program();
  expect_sets(waits(program, schedule(program), 1), {{}, {0}});
}

TEST(exclusive_steps_come_one_after_another) {
  const Program program = of({add(at(0), at(0), at(1)), add(at(0), at(0), at(2)), add(at(0), at(0), at(3))});
  const Schedule found = schedule(program);
  expect_sets(waits(program, found, 1), {{}, {}, {}});
  expect_sets(waits(program, found, 1, {true, false, true}), {{}, {}, {0}});
  EXPECT_EQUAL(found.longest, 1);
}

TEST(at_most_four_lanes) {
  std::vector<MapArgs> steps;
  for (int i = 0; i < 12; i++) steps.push_back(add(at(0), at(0), at(i + 1)));
  const Program program = of(steps);
  const Schedule found = schedule(program);
  EXPECT_EQUAL(found.lanes, kMostLanes);
  EXPECT_EQUAL(found.longest, 1);
  int most = 0;
  for (int lane = 0; lane < kMostLanes; lane++) {
    most = std::max(most, static_cast<int>(std::count(found.lane.begin(), found.lane.end(), lane)));
  }
  EXPECT(most < 12);
}

// Two uses of a byte, one of them a write, happen in the order of the program; so do steps of one lane.
TEST(random_programs_keep_the_order_that_matters) {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 200; round++) {
    struct Range {
      int from, to;
    };
    std::vector<MapArgs> steps;
    std::vector<std::vector<Range>> ranges;  // of each step: what it reads twice, what it writes
    const int count = 1 + below(14), places = 2 + below(10);
    for (int i = 0; i < count; i++) {
      std::vector<Range> used;
      std::vector<Tensor> tensors;
      for (int t = 0; t < 3; t++) {
        const int place = below(places), length = 1 + below(3);
        used.push_back({place, place + length});
        tensors.push_back(at(place, length * kFloats));
      }
      steps.push_back(add(tensors[0], tensors[1], tensors[2]));
      ranges.push_back(used);
    }
    const Program program = of(steps);
    const Schedule found = schedule(program);
    const int times = 1 + below(3);
    const Sets sets = waits(program, found, times);
    const size_t all = static_cast<size_t>(count * times);
    EXPECT_EQUAL(sets.size(), all);
    std::vector<std::vector<bool>> after(all, std::vector<bool>(all));
    for (size_t i = 0; i < all; i++) {
      for (const int before : sets[i]) {
        EXPECT(before >= 0 && static_cast<size_t>(before) < i);
        const auto b = static_cast<size_t>(before);
        after[i][b] = true;
        for (size_t k = 0; k < b; k++) after[i][k] = after[i][k] || after[b][k];
      }
      for (size_t j = 0; j < i; j++) {
        const auto& mine = ranges[i % static_cast<size_t>(count)];
        const auto& others = ranges[j % static_cast<size_t>(count)];
        bool apart = found.lane[i % static_cast<size_t>(count)] != found.lane[j % static_cast<size_t>(count)];
        for (size_t a = 0; a < 3; a++) {
          for (size_t b = 0; b < 3; b++) {
            const bool meet = mine[a].from < others[b].to && others[b].from < mine[a].to;
            if (meet && (a == 2 || b == 2)) apart = false;
          }
        }
        if (!apart && !after[i][j]) {
          fail(__FILE__, __LINE__,
               "round " + std::to_string(round) + ": " + std::to_string(i) + " does not wait for " + std::to_string(j));
        }
      }
      // None is named for whom another one waits.
      for (const int a : sets[i]) {
        for (const int b : sets[i]) EXPECT(!after[static_cast<size_t>(a)][static_cast<size_t>(b)]);
      }
    }
  }
}
