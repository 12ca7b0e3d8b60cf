// Which of cuBLASLt's algorithms the GEMM seam takes, and what it remembers of that: on stand-ins for cuBLASLt and for
// CUDA's runtime, in which a launch takes as long as the test says.
#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "../harness.h"
#include "stand_ins.h"

namespace gradstep::cuda {
namespace {

struct Planned {
  int launches;   // that planning took
  int algorithm;  // that a run is made with
  MeasuredChoices choices;
};

constexpr GemmShape kShape{3, 5, 7, false, true, false, true, Epilogue::kRelu};

// Plans a product with a new Gemm and runs it; the result must be right. `earlier`: what a saved session took.
Planned plan(const GemmShape& s = kShape, bool deterministic = false, const MeasuredChoices& earlier = {}) {
  const int before = library().launches();
  Planned planned{};
  {
    Choices choices(0, deterministic);
    choices.recall(earlier);
    const auto gemm = make_gemm(choices);
    std::vector<char> workspace(gemm->workspace_bytes(s));
    const Gemm::Run run = gemm->plan(s);
    planned.launches = library().launches() - before;
    const int64_t row_b = s.row_b != 0 ? s.row_b : s.transpose_b ? s.k : s.n;
    const std::vector<float> a(static_cast<size_t>(s.m * s.k), 2.f),
        b(static_cast<size_t>((s.transpose_b ? s.n : s.k) * row_b), 3.f), bias(static_cast<size_t>(s.n), 1.f);
    std::vector<float> c(static_cast<size_t>(s.m * s.n), 10.f);
    run(nullptr, a.data(), b.data(), bias.data(), c.data(), workspace.data());
    const double expected = 6. * static_cast<double>(s.k) + (s.bias ? 1 : 0) + (s.accumulate ? 10 : 0);
    for (const float y : c) EXPECT_EQUAL(static_cast<double>(y), expected);
    planned.choices = choices.of(choices.exchange_uses());
  }
  planned.algorithm = library().last();
  EXPECT_EQUAL(fake_device().alive, 0);
  EXPECT_EQUAL(library().alive(), 0);
  return planned;
}

TEST(the_fastest_is_taken) {
  fresh();
  propose({{3e-6, kRight}, {2e-6, kRight}, {1e-6, kRight}, {4e-6, kRight}});
  EXPECT_EQUAL(plan().algorithm, 2);
}

TEST(the_fastest_of_slow_ones_is_taken) {
  fresh();
  propose({{0.3, kRight}, {0.1, kRight}, {0.2, kRight}});
  EXPECT_EQUAL(plan().algorithm, 1);
}

TEST(a_wrong_one_is_never_taken) {
  fresh();
  propose({{3e-6, kRight}, {1e-6, kWrong}, {2e-6, kRight}});
  EXPECT_EQUAL(plan().algorithm, 2);
}

TEST(one_that_is_wrong_where_it_adds_is_never_taken) {
  fresh();
  propose({{3e-6, kRight}, {1e-6, kWrong}, {2e-6, kRight}});
  EXPECT_EQUAL(plan({4, 6, 9, true, false, true, false}).algorithm, 2);
}

TEST(those_that_do_not_run_are_passed_over) {
  fresh();
  propose({{1e-6, kRefused}, {3e-6, kRight}, {1e-6, kRefused}, {2e-6, kRight}});
  EXPECT_EQUAL(plan().algorithm, 3);
}

TEST(proposals_that_say_that_they_are_none_are_left_out) {
  fresh();
  propose({{1e-6, kUnsupported}, {3e-6, kRight}, {2e-6, kRight}});
  EXPECT_EQUAL(plan().algorithm, 2);
  propose({{1e-6, kUnsupported}, {3e-6, kRight}});
  EXPECT_EQUAL(plan({4, 4, 4, false, false, false, false}).launches, 0);
  propose({{1e-6, kUnsupported}});
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", plan({4, 4, 5, false, false, false, false}), "no algorithm");
}

TEST(the_first_proposal_stays_where_none_runs) {
  const std::string folder = fresh();
  propose({{1e-6, kRefused}, {1e-6, kRefused}});
  EXPECT_ERROR("ERR_DEVICE_FAILED", plan(), "cublasLtMatmul failed");
  EXPECT_EQUAL(contents(file_in(folder)), "");
}

TEST(a_little_faster_is_not_faster) {
  fresh();
  propose({{2e-6, kRight}, {1.99e-6, kRight}, {2e-6, kRight}});
  EXPECT_EQUAL(plan().algorithm, 0);
}

TEST(a_single_proposal_is_not_measured) {
  const std::string folder = fresh();
  propose({{1e-6, kRight}});
  EXPECT_EQUAL(plan().launches, 0);
  EXPECT_EQUAL(contents(file_in(folder)), "");
}

TEST(deterministic_never_measures) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  const Planned planned = plan(kShape, true);
  EXPECT_EQUAL(planned.launches, 0);
  EXPECT_EQUAL(planned.algorithm, 0);
  EXPECT_EQUAL(contents(file_in(folder)), "");
  EXPECT_EQUAL(plan().algorithm, 1);
  EXPECT_EQUAL(plan(kShape, true).algorithm, 0);
}

TEST(products_of_other_types_are_others) {
  fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  GemmShape shapes[3] = {{3, 5, 7, false, true, false, false}, {}, {}};
  shapes[0].precision = Precision::kBfloat16;
  shapes[1] = shapes[2] = shapes[0];
  shapes[1].operands = shapes[2].operands = shapes[2].result = DType::kBfloat16;
  for (const bool again : {false, true}) {
    for (const GemmShape& s : shapes) EXPECT_EQUAL(see(s).launches == 0, again);
  }
}

TEST(where_none_rounds_operands_are_multiplied_as_they_are) {
  for (const Precision precision : {Precision::kTf32, Precision::kBfloat16}) {
    fresh();
    library().round(false);
    propose({{3e-6, kRight}, {1e-6, kRight}});
    GemmShape s = kShape;
    s.precision = precision;
    EXPECT_EQUAL(plan(s).algorithm, 1);
    const Planned again = plan(s);
    EXPECT_EQUAL(again.launches, 0);
    EXPECT_EQUAL(again.algorithm, 1);
  }
}

TEST(a_choice_is_remembered) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  EXPECT_EQUAL(plan().algorithm, 1);
  propose({{1e-6, kRight}, {3e-6, kRight}});
  for (const bool later : {false, true}) {
    if (later) in_another_process(folder, contents(file_in(folder)));
    const Planned planned = plan();
    EXPECT_EQUAL(planned.launches, 0);
    EXPECT_EQUAL(planned.algorithm, 1);
  }
}

TEST(what_a_saved_session_took_is_taken_again_and_comes_before_the_file) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  const MeasuredChoices saved = plan().choices;
  EXPECT_EQUAL(saved.taken.size(), 1u);
  EXPECT_EQUAL(saved.taken.begin()->first, "product 3 5 7 1 0 0 0 tb bias relu float32");
  EXPECT(saved.device.find(", cuBLASLt 130000") != std::string::npos);
  in_another_process(folder, "");
  propose({{1e-6, kRight}, {3e-6, kRight}});
  const Planned again = plan(kShape, false, saved);
  EXPECT_EQUAL(again.launches, 0);
  EXPECT_EQUAL(again.algorithm, 1);
  EXPECT(again.choices.taken == saved.taken);
  EXPECT_EQUAL(plan().algorithm, 0);  // now it is in the file
  EXPECT_EQUAL(plan(kShape, false, saved).algorithm, 1);
  EXPECT_EQUAL(plan(kShape, true, saved).algorithm, 0);
}

TEST(what_a_saved_session_took_is_chosen_anew_where_the_library_refuses_it) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}, {5e-7, kRight}});
  const MeasuredChoices saved = plan().choices;
  in_another_process(folder, "");
  propose({{3e-6, kRight}, {1e-6, kRight}});
  const Planned again = plan(kShape, false, saved);
  EXPECT_EQUAL(again.algorithm, 1);
  EXPECT(again.choices.taken != saved.taken);
  MeasuredChoices broken = saved;
  broken.taken.begin()->second = "00";
  EXPECT_EQUAL(plan(kShape, false, broken).algorithm, 1);
  library().version(130100);
  EXPECT(plan(kShape, false, saved).choices.device != saved.device);
}

// What was not measured may have to be taken again just as well.
TEST(what_is_taken_without_measuring_is_known_too) {
  fresh();
  propose({{1e-6, kRight}});
  EXPECT_EQUAL(plan().choices.taken.size(), 1u);
  propose({{3e-6, kRight}, {1e-6, kRight}});
  fake_device().has_memory = false;
  const MeasuredChoices saved = plan().choices;
  fake_device().has_memory = true;
  EXPECT_EQUAL(plan(kShape, false, saved).algorithm, 0);
  EXPECT_EQUAL(plan().algorithm, 1);
  EXPECT(plan(kShape, true).choices.taken.empty());
}

// One plan may serve the last step of a program and the first of the next.
TEST(a_plan_that_serves_again_is_used_again) {
  fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  Choices choices(0, false);
  const auto gemm = make_gemm(choices);
  gemm->plan(kShape);
  EXPECT_EQUAL(choices.exchange_uses().size(), 1u);
  gemm->plan(kShape);
  EXPECT_EQUAL(choices.exchange_uses().size(), 1u);
}

TEST(choices_of_other_processes_are_kept) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  plan();
  const std::string of_others = contents(file_in(folder));
  const std::string here = in_another_process(folder, "");
  EXPECT_EQUAL(plan({2, 2, 2, false, false, false, false}).algorithm, 1);
  write(file_in(here), of_others);
  EXPECT_EQUAL(plan({2, 2, 3, false, false, false, false}).algorithm, 1);
  const std::string all = contents(file_in(here));
  EXPECT(all.find("product 3 5 7") != std::string::npos);
  EXPECT(all.find("product 2 2 2") != std::string::npos);
  EXPECT(all.find("product 2 2 3") != std::string::npos);
}

// Measured again as soon as anything differs that the choice may depend on.
TEST(a_choice_is_for_one_device_one_library_and_one_product) {
  fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  EXPECT(plan().launches > 0);
  const auto measures = [](const char* what, const GemmShape& s = kShape) {
    if (plan(s).launches == 0) throw test::Failure{std::string("not measured anew: ") + what};
    EXPECT_EQUAL(plan(s).launches, 0);
  };
  fake_device().name = "NVIDIA\tStand-in\n2";
  measures("another GPU");
  fake_device().minor = 3;
  measures("another compute capability");
  fake_device().multiprocessors = 66;
  measures("a part of a GPU");
  fake_device().driver = 13010;
  measures("another driver");
  library().version(130100);
  measures("another library");
  GemmShape s = kShape;
  s.epilogue = Epilogue::kNone;
  measures("no relu", s);
  s.bias = false;
  measures("no bias", s);
  s.accumulate = true;
  measures("accumulation", s);
  s.precision = Precision::kTf32;
  measures("tf32", s);
  s.precision = Precision::kBfloat16;
  measures("bfloat16", s);
  s.transpose_a = true;
  measures("a transposed", s);
  s.transpose_b = false;
  measures("b not transposed", s);
  s.row_b = s.n + 3;
  measures("columns of a wider matrix", s);
  s = layer(Epilogue::kGelu);
  const auto sees = [&](const char* what) {
    if (see(s).launches == 0) throw test::Failure{std::string("not seen anew: ") + what};
    EXPECT_EQUAL(see(s).launches, 0);
  };
  sees("gelu with aux");
  s.aux = false;
  sees("gelu");
  s = layer(Epilogue::kReluSlope);
  sees("the slope of relu");
  s.sums = false;
  sees("no sums");
  s = layer(Epilogue::kGeluSlope);
  sees("the slope of gelu");
}

TEST(a_broken_file_counts_as_empty) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  plan();
  const std::string whole = contents(file_in(folder));
  std::string digits = whole, bytes = whole, number = whole;
  digits[whole.size() - 2] = 'x';
  bytes.insert(whole.size() - 1, "00");
  number[number.find('\t') + 17] = '7';  // the first byte of the algorithm's number, of which there are two
  const std::string broken[] = {whole.substr(0, whole.size() - 3),
                                whole.substr(0, whole.size() / 2),
                                whole.substr(0, 5),
                                "something else\n" + whole,
                                digits,
                                bytes,
                                number,
                                "",
                                std::string(1000, '\0')};
  int processes = 0;
  for (const std::string& text : broken) {
    const std::string other = in_another_process(folder + std::to_string(processes++), text);
    const Planned planned = plan();
    if (planned.launches == 0) throw test::Failure{"taken as it is: " + text};
    EXPECT_EQUAL(planned.algorithm, 1);
    EXPECT_EQUAL(contents(file_in(other)), whole);
  }
}

TEST(a_folder_that_cannot_be_made_lets_choices_last_as_long_as_the_process) {
  const std::string folder = fresh();
  write(folder + "/file", "");
  setenv("GRADSTEP_CACHE", (folder + "/file/below").c_str(), 1);
  propose({{3e-6, kRight}, {1e-6, kRight}});
  EXPECT(plan().launches > 0);
  const Planned again = plan();
  EXPECT_EQUAL(again.launches, 0);
  EXPECT_EQUAL(again.algorithm, 1);
}

TEST(without_memory_to_try_them_the_first_is_taken_and_not_remembered) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  fake_device().has_memory = false;
  const Planned planned = plan();
  EXPECT_EQUAL(planned.launches, 0);
  EXPECT_EQUAL(planned.algorithm, 0);
  EXPECT_EQUAL(contents(file_in(folder)), "");
  fake_device().has_memory = true;
  EXPECT_EQUAL(plan().algorithm, 1);
}

// One launch that fails tells against an algorithm, any other call is an error; nothing stays behind.
TEST(every_call_may_fail_while_algorithms_are_tried) {
  propose({{3e-4, kRight}, {1e-4, kRight}});
  for (const GemmShape& s : {kShape, layer(Epilogue::kGeluSlope)}) {
    int errors = 0, passed_over = 0;
    for (uint64_t n = 1;; n++) {
      fresh();
      library().fail(n, CUBLAS_STATUS_INTERNAL_ERROR);
      std::string told;
      try {
        Choices choices(0, false);
        make_gemm(choices)->plan(s);
      } catch (const Error& error) {
        told = error.what();
      }
      const std::string call = library().failed();
      library().fail(0, CUBLAS_STATUS_SUCCESS);
      EXPECT_EQUAL(fake_device().alive, 0);
      EXPECT_EQUAL(library().alive(), 0);
      if (call.empty()) break;
      // A product's addresses are attributes that are set when it is launched, and a launch that fails is passed over.
      const bool sets = call == "cublasLtMatmulDescSetAttribute", lets_go = call.find("Destroy") != std::string::npos;
      const bool is_launch = call == "cublasLtMatmul" || (sets && told.empty());
      EXPECT_EQUAL(told, is_launch || lets_go ? "" : call + " failed: refused by the stand-in");
      (told.empty() ? passed_over : errors)++;
      if (is_launch) EXPECT_EQUAL(see(s).launches, 0);
    }
    EXPECT(errors > 15);
    EXPECT(passed_over > 8);
  }
}

TEST(the_folder_is_the_one_for_caches) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  unsetenv("GRADSTEP_CACHE");
  setenv("XDG_CACHE_HOME", (folder + "/xdg").c_str(), 1);
  plan();
  EXPECT(!contents(file_in(folder + "/xdg/gradstep")).empty());
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", (folder + "/home").c_str(), 1);
  EXPECT(plan().launches > 0);
  EXPECT(!contents(file_in(folder + "/home/.cache/gradstep")).empty());
}

}  // namespace
}  // namespace gradstep::cuda

int main() { return gradstep::test::run_tests(""); }
