// Which of several ways to run a step is taken. On the emulation a launch takes as long as a test says, so the fastest
// way is the one of the fewest launches.
#include "cuda/ways.h"

#include <map>

#include "cuda/choices.h"
#include "cuda/handles.h"
#include "cuda/launch.h"
#include "fresh_cache.h"
#include "harness.h"
#include "program_builder.h"

namespace gradstep::test {

using cuda::Choices, cuda::DeviceMemory, cuda::Prepare, cuda::Step, cuda::Way;

namespace {

constexpr int kFloats = 40;
constexpr double kTolerance = 1e-6;

const Tensor kX = tensor(Region::kScratch, DType::kFloat32, 0, {kFloats});
const Tensor kY = tensor(Region::kScratch, DType::kFloat32, 256, {kFloats});
const Tensor kZ = tensor(Region::kScratch, DType::kFloat32, 512, {kFloats});
const Tensor kIndex = tensor(Region::kScratch, DType::kInt32, 768, {kFloats});

// y += factor·x, at the places that `index` says where there is one.
__global__ void add(float* y, const float* x, const int32_t* index, float factor) {
  for (int i = 0; i < kFloats; i++) y[i] += factor * x[index != nullptr ? index[i] : i];
}

// What a test has of a session; a new one is what a new process has, but for the file that it finds.
struct TestSession {
  explicit TestSession(bool deterministic = false) : choices(0, deterministic), gemm(cuda::make_gemm(choices)) {}

  Prepare prepare() {
    return Prepare([this](const Tensor& t) { return memory.data() + t.offset; }, nullptr, &workspace, *gemm, cudnn,
                   choices, cuda::DeviceTraits{});
  }

  Choices choices;
  std::unique_ptr<cuda::Gemm> gemm;
  cuda::CudnnOfSession cudnn{true};
  DeviceMemory memory{1024, "a test"};
  void* workspace = nullptr;
};

struct Count {
  int prepared = 0, launched = 0;
};
std::map<std::string, Count> counts;

// y += x in so many launches, for each of `results`; the last of them is off by `error`.
Way way(const std::string& name, int launches, const std::vector<Tensor>& results = {kY}, float error = 0,
        const Tensor& index = Tensor{}) {
  return {name, [=](Prepare& prepare) -> Step {
            counts[name].prepared++;
            std::vector<float*> to;
            for (const Tensor& t : results) {
              if (t.present()) to.push_back(prepare.at(t));
            }
            const float* const x = prepare.at(kX);
            const int32_t* const at = prepare.at<int32_t>(index);
            return [=](cudaStream_t stream) {
              counts[name].launched++;
              for (size_t i = 0; i < to.size(); i++) {
                for (int n = 0; n < launches; n++) {
                  const float off = i + 1 == to.size() && n == 0 ? error : 0.f;
                  cuda::launch(stream, add, dim3(1), dim3(1), to[i], x, at, 1.f / static_cast<float>(launches) + off);
                }
              }
            };
          }};
}

// What is taken, by what is launched then.
std::string taken(TestSession& session, const std::vector<Way>& ways, const std::vector<Tensor>& results = {kY},
                  const std::string& what = "a sum", const std::vector<cuda::Range>& ranges = {}) {
  const Setting pace("GRADSTEP_EMULATION_PACE", "100");
  Prepare prepare = session.prepare();
  const Step step = cuda::fastest_way(prepare, what, ways, results, kTolerance, ranges);
  counts.clear();
  const cuda::OwnedStream stream = cuda::make_stream();
  step(stream.get());
  GRADSTEP_CUDA(cudaStreamSynchronize(stream.get()));
  std::string launched;
  for (const auto& [name, count] : counts) launched += count.launched > 0 ? name : "";
  counts.clear();
  return launched;
}

std::string taken_at_first(const std::vector<Way>& ways, const std::vector<Tensor>& results = {kY},
                           bool deterministic = false) {
  const FreshCache cache;
  TestSession session(deterministic);
  return taken(session, ways, results);
}

// How often ways are launched and prepared by fastest_way, the one that is taken being prepared once in any case.
Count effort(TestSession& session, const std::vector<Way>& ways) {
  counts.clear();
  Prepare prepare = session.prepare();
  cuda::fastest_way(prepare, "a sum", ways, {kY}, kTolerance);
  Count all;
  for (const auto& [name, count] : counts) {
    all.prepared += count.prepared;
    all.launched += count.launched;
  }
  counts.clear();
  return all;
}

const std::vector<Way> kThree = {way("three", 3), way("one", 1), way("two", 2)};

}  // namespace

TEST(the_way_of_the_fewest_launches_is_taken) {
  EXPECT_EQUAL(taken_at_first(kThree), "one");
  EXPECT_EQUAL(taken_at_first({way("one", 1), way("three", 3), way("two", 2)}), "one");
  EXPECT_EQUAL(taken_at_first({way("three", 3), way("two", 2), way("one", 1)}), "one");
}

TEST(of_ways_that_are_equally_fast_the_first_is_taken) {
  EXPECT_EQUAL(taken_at_first({way("two", 2), way("another", 2), way("three", 3)}), "two");
}

TEST(a_way_with_wrong_numbers_is_never_taken) {
  EXPECT_EQUAL(taken_at_first({way("three", 3), way("one", 1, {kY}, 1e-3f), way("two", 2)}), "two");
  EXPECT_EQUAL(taken_at_first({way("three", 3), way("one", 1, {kY}, NAN)}), "three");
}

// As with a launch that is not allowed in a graph: the capture is spoiled, and ends with an error.
TEST(a_way_that_cannot_be_captured_is_never_taken) {
  const Way plain = way("one", 1);
  const Way spoiling = {"one", [plain](Prepare& from) -> Step {
                          return [step = plain.prepare(from)](cudaStream_t stream) {
                            GRADSTEP_CUDA(cudaStreamSynchronize(stream));
                            step(stream);
                          };
                        }};
  EXPECT_EQUAL(taken_at_first({way("three", 3), spoiling, way("two", 2)}), "two");
  EXPECT_EQUAL(taken_at_first({spoiling, way("two", 2)}), "two");
}

TEST(a_way_that_fails_is_never_taken) {
  const Way failing = {
      "one", [](Prepare&) -> Step { return [](cudaStream_t) { GRADSTEP_CUDA(cudaErrorInvalidConfiguration); }; }};
  EXPECT_EQUAL(taken_at_first({way("three", 3), failing, way("two", 2)}), "two");
}

// The first one's numbers are the right ones.
TEST(ways_are_compared_with_the_first) {
  EXPECT_EQUAL(taken_at_first({way("three", 3, {kY}, 1e-3f), way("one", 1), way("two", 2)}), "three");
}

TEST(every_result_is_compared) {
  const std::vector<Tensor> both = {kY, kZ};
  EXPECT_EQUAL(taken_at_first({way("three", 3, both), way("one", 1, both, 1e-3f), way("two", 2, both)}, both), "two");
  EXPECT_EQUAL(taken_at_first({way("three", 3, both), way("one", 1, both)}, both), "one");
}

TEST(a_result_that_is_absent_is_passed_over) {
  const std::vector<Tensor> results = {Tensor{}, kZ};
  EXPECT_EQUAL(taken_at_first({way("three", 3, results), way("one", 1, results)}, results), "one");
  EXPECT_EQUAL(taken_at_first({way("three", 3, results), way("one", 1, results, 1e-3f)}, results), "three");
}

// Zeros, which are valid whatever they count: other numbers would lead the kernel out of its memory.
TEST(operands_that_are_integers_are_zero_where_ways_are_tried) {
  EXPECT_EQUAL(taken_at_first({way("three", 3, {kY}, 0, kIndex), way("one", 1, {kY}, 0, kIndex)}), "one");
}

// What is off by a thousandth of x is right where x is small.
TEST(operands_have_the_range_that_is_asked_for) {
  for (const auto& [range, expected] : std::map<float, std::string>{{1.f, "three"}, {1e-4f, "one"}}) {
    const FreshCache cache;
    TestSession session;
    EXPECT_EQUAL(taken(session, {way("three", 3), way("one", 1, {kY}, 1e-3f)}, {kY}, "a sum", {{kX, range}}), expected);
  }
}

TEST(operands_of_the_program_stay_as_they_are) {
  const FreshCache cache;
  TestSession session;
  GRADSTEP_CUDA(cudaMemset(session.memory.data(), 0, session.memory.bytes()));
  effort(session, kThree);
  std::vector<char> bytes(session.memory.bytes(), 1);
  GRADSTEP_CUDA(cudaMemcpy(bytes.data(), session.memory.data(), bytes.size(), cudaMemcpyDeviceToHost));
  EXPECT(bytes == std::vector<char>(bytes.size(), 0));
}

TEST(a_deterministic_session_takes_the_first_way_and_tries_none) {
  EXPECT_EQUAL(taken_at_first(kThree, {kY}, true), "three");
  const FreshCache cache;
  TestSession session(true);
  const Count all = effort(session, kThree);
  EXPECT_EQUAL(all.prepared, 1);
  EXPECT_EQUAL(all.launched, 0);
  EXPECT_EQUAL(cache.contents(), "");
}

TEST(a_single_way_is_not_tried) {
  const FreshCache cache;
  TestSession session;
  const Count all = effort(session, {way("one", 1)});
  EXPECT_EQUAL(all.prepared, 1);
  EXPECT_EQUAL(all.launched, 0);
  EXPECT(session.choices.of(session.choices.exchange_uses()).taken.empty());
}

TEST(a_way_can_be_asked_for_by_its_name) {
  for (const auto& [names, expected] : std::map<std::string, std::string>{
           {"two", "two"}, {"four,two,one", "two"}, {"four", "three"}, {"three", "three"}, {"", "one"}}) {
    const FreshCache cache;
    const Setting ways("GRADSTEP_CUDA_WAYS", names);
    TestSession session;
    EXPECT_EQUAL(taken(session, kThree), expected);
    EXPECT_EQUAL(cache.contents().empty(), !names.empty());
  }
}

TEST(what_was_measured_is_taken_by_the_next_session_which_tries_nothing) {
  const FreshCache cache;
  TestSession first;
  EXPECT_EQUAL(taken(first, kThree), "one");
  EXPECT(cache.contents().find(", a sum\t6f6e65\n") != std::string::npos);  // "one"
  const std::vector<Way> now_slower = {way("three", 3), way("one", 9), way("two", 2)};
  TestSession next;
  const Count all = effort(next, now_slower);
  EXPECT_EQUAL(all.prepared, 1);
  EXPECT_EQUAL(all.launched, 0);
  EXPECT_EQUAL(taken(next, now_slower), "one");
  EXPECT_EQUAL(taken(next, now_slower, {kY}, "another sum"), "two");
}

TEST(a_way_that_is_gone_is_chosen_anew) {
  const FreshCache cache;
  TestSession first;
  EXPECT_EQUAL(taken(first, kThree), "one");
  TestSession next;
  EXPECT_EQUAL(taken(next, {way("three", 3), way("two", 2)}), "two");
  EXPECT(cache.contents().find(", a sum\t74776f\n") != std::string::npos);  // "two"
}

TEST(without_memory_to_try_them_the_first_way_is_taken_and_nothing_kept) {
  const FreshCache cache;
  TestSession session;
  {
    const Setting full("GRADSTEP_EMULATION_MEMORY", "1");
    const Count all = effort(session, kThree);
    EXPECT_EQUAL(all.launched, 0);
  }
  // What has been taken stays as long as the session, whose bits would change.
  EXPECT_EQUAL(taken(session, kThree), "three");
  EXPECT_EQUAL(cache.contents(), "");
  TestSession next;
  EXPECT_EQUAL(taken(next, kThree), "one");
}

TEST(what_a_saved_session_took_comes_before_the_file) {
  const FreshCache cache;
  TestSession first;
  EXPECT_EQUAL(taken(first, kThree), "one");
  MeasuredChoices saved = first.choices.of(first.choices.exchange_uses());
  EXPECT_EQUAL(saved.taken.size(), 1u);
  EXPECT_EQUAL(saved.taken["a sum"], "6f6e65");
  saved.taken["a sum"] = "74776f";
  const std::string file = cache.contents();

  TestSession next;
  next.choices.recall(saved);
  const Count all = effort(next, kThree);
  EXPECT_EQUAL(all.prepared, 1);
  EXPECT_EQUAL(all.launched, 0);
  EXPECT_EQUAL(taken(next, kThree), "two");
  EXPECT_EQUAL(cache.contents(), file);
  EXPECT_EQUAL(next.choices.of(next.choices.exchange_uses()).taken["a sum"], "74776f");

  TestSession without_that_way;
  without_that_way.choices.recall(saved);
  EXPECT_EQUAL(taken(without_that_way, {way("three", 3), way("one", 1)}), "one");
}

// A way that asks for a product is a program's use of that product only where the way is taken.
TEST(what_ways_that_lose_have_asked_for_is_not_in_use) {
  const FreshCache cache;
  const auto with_product = [](const char* name, int launches) {
    Way with = way(name, launches);
    with.prepare = [inner = with.prepare](Prepare& prepare) {
      prepare.gemm().plan({2, 3, 4, false, false, false, false});
      return inner(prepare);
    };
    return with;
  };
  TestSession session;
  EXPECT_EQUAL(taken(session, {way("two", 2), with_product("three", 3)}, {kY}, "lost"), "two");
  const auto keys = [&] {
    std::string all;
    for (const auto& [what, choice] : session.choices.of(session.choices.exchange_uses()).taken) all += what + ";";
    return all;
  };
  EXPECT_EQUAL(keys(), "lost;");
  EXPECT_EQUAL(taken(session, {way("two", 2), with_product("one", 1)}, {kY}, "won"), "one");
  EXPECT_EQUAL(keys(), "product 2 3 4 1;won;");
}

}  // namespace gradstep::test
