// Sessions over a fake device: what they refuse, how they fail, what they pass on.
#include "core/session.h"

#include "fake_backend.h"
#include "harness.h"
#include "program_builder.h"

using namespace gradstep;
using namespace gradstep::test;

namespace {

const std::atomic<bool> kGo{false};
const std::atomic<bool> kStopped{true};

Session make(FakeOptions options = {}, uint64_t limit = 0) {
  return Session([options] { return std::make_unique<FakeBackend>(options); }, limit);
}

std::vector<char> encoded() { return ProgramBuilder().add(valid_matmul()).bytes(); }

int load(Session& session) {
  const std::vector<char> bytes = encoded();
  return session.load(bytes.data(), bytes.size());
}

Span persistent(uint64_t offset, uint64_t bytes) { return {Region::kPersistent, -1, offset, bytes}; }
Span slot(int number, uint64_t offset, uint64_t bytes) { return {Region::kNone, number, offset, bytes}; }

// A run that fails in its second step, after which nothing works any more.
void fails(const char* file, int line, FakeOptions options, const char* code, const char* first, const char* later) {
  Session session = make(options);
  const int entry = load(session);
  expect_equal(session.run(entry, 1, {&kGo, 0}).steps, 1, "steps", file, line);
  expect_error([&] { session.run(entry, 2, {&kGo, 0}); }, code, {first}, file, line);
  expect_error([&] { session.run(entry, 1, {&kGo, 0}); }, "ERR_DEVICE_FAILED", {"failed earlier", later}, file, line);
  expect_error([&] { session.memory(); }, "ERR_DEVICE_FAILED", {later}, file, line);
  expect_error([&] { session.reserve(8); }, "ERR_DEVICE_FAILED", {later}, file, line);
  session.close();
  expect_error([&] { session.memory(); }, "ERR_DISPOSED", {}, file, line);
}
#define FAILS(kind, code, first, later)    \
  FakeOptions options;                     \
  options.at_step_two = FakeOptions::kind; \
  fails(__FILE__, __LINE__, options, code, first, later)

}  // namespace

TEST(session_runs_what_it_loaded) {
  Session session = make();
  const int entry = load(session);
  EXPECT_EQUAL(session.run(entry, 7, {&kGo, 0}).steps, 7);
  int64_t counted = 0;
  session.read(persistent(0, sizeof counted), &counted);
  EXPECT_EQUAL(counted, 7);
}

TEST(session_of_a_device_that_measures_nothing_has_no_choices) {
  Session session = make();
  session.recall({"a device", {{"what", "00"}}});
  EXPECT_EQUAL(session.choices().device, "");
  EXPECT(session.choices().taken.empty());
  session.close();
  EXPECT_ERROR("ERR_DISPOSED", session.choices(), "disposed");
}

TEST(session_ends_a_run_at_its_budget) {
  FakeOptions options;
  options.step_ms = 5;
  Session session = make(options);
  const RunResult result = session.run(load(session), 1000, {&kGo, 0.02});
  EXPECT(result.steps >= 1 && result.steps <= 4);
  EXPECT(result.seconds >= 0.02);
}

TEST(session_does_not_begin_a_run_that_was_stopped) {
  Session session = make();
  EXPECT_EQUAL(session.run(load(session), 7, {&kStopped, 0}).steps, 0);
  EXPECT(session.profile(load(session), 7, {&kStopped, 0}).empty());
}

TEST(session_profiles_what_it_loaded) {
  Session session = make();
  const std::vector<double> moments = session.profile(load(session), 2, {&kGo, 0});
  EXPECT(moments == (std::vector<double>{0, 1, 1, 2}));
  EXPECT_ERROR("ERR_OPTION", session.profile(77, 1, {&kGo, 0}), "entry 77");
}

TEST(session_fails_for_good_when_a_profiled_step_throws) {
  FakeOptions options;
  options.at_step_two = FakeOptions::kThrow;
  Session session = make(options);
  const int entry = load(session);
  EXPECT_ERROR("ERR_DEVICE_FAILED", session.profile(entry, 2, {&kGo, 0}), "the fake broke");
  EXPECT_ERROR("ERR_DEVICE_FAILED", session.profile(entry, 1, {&kGo, 0}), "failed earlier");
}

TEST(session_refuses_entries_it_does_not_have) {
  Session session = make();
  EXPECT_ERROR("ERR_OPTION", session.run(3, 1, {&kGo, 0}), "entry 3");
  EXPECT_ERROR("ERR_OPTION", session.unload(3), "entry 3");
  const int entry = load(session);
  session.unload(entry);
  EXPECT_ERROR("ERR_OPTION", session.run(entry, 1, {&kGo, 0}), "No program is loaded");
  EXPECT_ERROR("ERR_OPTION", session.unload(entry), "No program is loaded");
}

TEST(session_verifies_what_it_loads) {
  Session session = make();
  EXPECT_ERROR("ERR_PROGRAM", session.load("garbage", 7), "Not a program");
  MatmulArgs args = valid_matmul();
  args.y.offset = 1 << 20;
  const auto bytes = ProgramBuilder().add(args, "dense_1").bytes();
  EXPECT_ERROR("ERR_PROGRAM", session.load(bytes.data(), bytes.size()), "step 0 (matmul in dense_1), y");
}

TEST(session_checks_transfers) {
  Session session = make();
  session.reserve(100);
  char data[128] = {};
  session.write(persistent(0, 100), data);
  session.read(persistent(100, 0), data);
  EXPECT_ERROR("ERR_OPTION", session.write(persistent(1, 100), data), "100 bytes at 1",
               "persistent region of 100 bytes");
  EXPECT_ERROR("ERR_OPTION", session.read(persistent(101, 0), data), "persistent");
  EXPECT_ERROR("ERR_OPTION", session.read(persistent(~uint64_t{0}, 2), data), "persistent");
  EXPECT_ERROR("ERR_OPTION", session.read({Region::kScratch, -1, 0, 1}, data), "scratch region of 0 bytes");
  EXPECT_ERROR("ERR_OPTION", session.read(slot(3, 0, 1), data), "no slot 3");
  session.allocate_slot(3, DType::kInt32, 5, 2);
  session.write(slot(3, 0, 40), data);
  EXPECT_ERROR("ERR_OPTION", session.write(slot(3, 1, 40), data), "slot 3 of 40 bytes");
  session.release_slot(3);
  EXPECT_ERROR("ERR_OPTION", session.read(slot(3, 0, 1), data), "no slot 3");
}

TEST(session_turns_a_slot_and_its_spare) {
  Session session = make();
  EXPECT_ERROR("ERR_OPTION", session.turn_slot(5), "no spare of slot 5");
  const int32_t first[2] = {1, 2}, second[3] = {3, 4, 5};
  int32_t found[3] = {};
  session.allocate_slot(5, DType::kInt32, 2, 1);
  session.write(slot(5, 0, 8), first);
  session.allocate_slot(spare_of(5), DType::kInt32, 3, 1);
  session.write(slot(spare_of(5), 0, 12), second);
  session.turn_slot(5);
  session.read(slot(5, 0, 12), found);
  EXPECT(found[0] == 3 && found[1] == 4 && found[2] == 5);
  session.read(slot(spare_of(5), 0, 8), found);
  EXPECT(found[0] == 1 && found[1] == 2);
  EXPECT_ERROR("ERR_OPTION", session.write(slot(spare_of(5), 0, 12), second), "of 8 bytes");
  session.release_slot(spare_of(5));
  EXPECT_ERROR("ERR_OPTION", session.turn_slot(5), "no spare of slot 5");
}

TEST(session_lets_a_run_do_what_may_go_ahead) {
  Session session = make();
  const int entry = load(session);
  const auto counted = [&] {
    int64_t steps = 0;
    session.read(persistent(0, sizeof steps), &steps);
    return steps;
  };
  std::vector<int64_t> at;
  const auto ahead = [&] {
    if (at.size() == 3) return false;
    at.push_back(counted());
    return true;
  };
  EXPECT_EQUAL(session.run_series({{entry, 2}, {entry, 2}}, {&kGo, 0, ahead}).steps, 4);
  EXPECT(at == (std::vector<int64_t>{1, 1, 1}));
  EXPECT_EQUAL(counted(), 4);
}

TEST(session_ends_a_run_that_has_had_its_turn_when_others_wait) {
  Session session = make();
  const int entry = load(session);
  const std::vector<Stretch> series = {{entry, 1}, {entry, 1}, {entry, 2}};
  bool awaited = false;
  const auto others = [&] { return awaited; };
  const std::chrono::steady_clock::time_point long_ago{};
  EXPECT_EQUAL(session.run_series(series, {&kGo, 1e12, {}, others, long_ago}).steps, 4);
  awaited = true;
  EXPECT_EQUAL(session.run_series(series, {&kGo, 1e12, {}, others, long_ago}).steps, 1);
  EXPECT_EQUAL(session.run(entry, 7, {&kGo, 1e12, {}, others, long_ago}).steps, 1);
  EXPECT_EQUAL(session.run(entry, 7, {&kGo, 0, {}, others, long_ago}).steps, 7);  // it has no bound
}

TEST(session_keeps_to_the_memory_there_is) {
  Session session = make({}, 1000);
  session.reserve(600);
  EXPECT_ERROR("ERR_OOM", session.reserve(700), "700 bytes were requested, 600 of the device's 1000");
  EXPECT_ERROR("ERR_OOM", session.allocate_slot(0, DType::kFloat32, 101, 1), "404 bytes");
  EXPECT_ERROR("ERR_OOM", session.allocate_slot(0, DType::kFloat64, INT32_MAX, INT64_MAX / 64), "Out of memory");
  session.allocate_slot(0, DType::kFloat32, 100, 1);
  EXPECT_EQUAL(session.memory().slots, 400u);
  EXPECT_ERROR("ERR_OOM", load(session), "Out of memory");
}

TEST(session_reports_a_device_that_cannot_be_made) {
  int attempts = 0;
  Session session(
      [&]() -> std::unique_ptr<Backend> {
        if (++attempts == 1) throw Error("ERR_DEVICE_UNAVAILABLE", "not here");
        return std::make_unique<FakeBackend>();
      },
      0);
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", session.memory(), "not here");
  session.reserve(64);  // the next call tries again
  EXPECT_EQUAL(session.memory().persistent, 64u);
}

TEST(session_fails_for_good_when_a_step_throws) {
  FAILS(kThrow, "ERR_DEVICE_FAILED", "the fake broke", "the fake broke");
}
TEST(session_fails_for_good_when_a_step_throws_anything) { FAILS(kThrowForeign, "ERR_DEVICE_FAILED", "", "unknown"); }
TEST(session_fails_for_good_when_a_step_has_no_memory) {
  FAILS(kThrowOom, "ERR_OOM", "Out of memory", "out of memory");
}
TEST(session_fails_for_good_when_the_device_says_so) { FAILS(kThrowFailed, "ERR_DEVICE_FAILED", "the bus", "the bus"); }

TEST(session_turns_other_exceptions_into_errors) {
  Session session([]() -> std::unique_ptr<Backend> { throw std::runtime_error("strange"); }, 0);
  EXPECT_ERROR("ERR_INTERNAL", session.memory(), "strange");
  Session full([]() -> std::unique_ptr<Backend> { throw std::bad_alloc(); }, 0);
  EXPECT_ERROR("ERR_OOM", full.memory(), "Out of memory");
}

TEST(session_is_of_no_use_after_close) {
  Session session = make();
  const int entry = load(session);
  session.close();
  session.close();
  EXPECT_ERROR("ERR_DISPOSED", session.run(entry, 1, {&kGo, 0}), "disposed");
  EXPECT_ERROR("ERR_DISPOSED", session.reserve(1), "disposed");
}
