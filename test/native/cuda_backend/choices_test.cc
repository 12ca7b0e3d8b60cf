// What a session knows of choices: of its own, of a saved session, of the file; and what its programs use of them.
#include "cuda/choices.h"

#include "cuda/backend.h"
#include "faults.h"
#include "fresh_cache.h"
#include "harness.h"
#include "program_builder.h"

namespace gradstep::test {

using cuda::Choices;

namespace {

const Choices::Bytes kOne = {1}, kTwo = {2, 0xfe}, kThree = {3};

bool finds(Choices& choices, const std::string& what, const Choices::Bytes& expected) {
  return choices.find(what) == expected;
}

MeasuredChoices all_of(Choices& choices) { return choices.of(choices.exchange_uses()); }

std::string text_of(const MeasuredChoices& choices) {
  std::string text;
  for (const auto& [what, choice] : choices.taken) text += what + "=" + choice + ";";
  return text;
}

// y = a b, of these sizes.
MatmulArgs product_args(int32_t m, int32_t n, int32_t k) {
  MatmulArgs args{};
  const auto floats = [](uint64_t offset, int32_t rows, int32_t columns) {
    return tensor(Region::kScratch, DType::kFloat32, offset, {rows, columns});
  };
  args.a = floats(0, m, k);
  args.b = floats(2048, k, n);
  args.y = floats(4096, m, n);
  return args;
}

Program product(int32_t m, int32_t n, int32_t k) { return ProgramBuilder().add(product_args(m, n, k)).program(); }

}  // namespace

TEST(a_choice_is_found_in_the_session_then_in_the_saved_one_then_in_the_file) {
  const FreshCache cache;
  Choices first(0, false);
  EXPECT(!first.find("a").has_value());
  first.keep("a", kOne);
  first.keep("b", kOne);
  first.keep("c", kOne);
  Choices second(0, false);
  MeasuredChoices saved = all_of(first);
  saved.taken = {{"b", "02fe"}, {"c", "02fe"}};
  second.recall(saved);
  second.take("c", kThree);
  EXPECT(finds(second, "a", kOne));
  EXPECT(finds(second, "b", kTwo));
  EXPECT(finds(second, "c", kThree));
  EXPECT_EQUAL(text_of(all_of(second)), "a=01;b=02fe;c=03;");
}

// The file says what the device measured, whatever a saved session has brought along.
TEST(what_was_not_measured_is_not_written_into_the_file) {
  const FreshCache cache;
  Choices first(0, false);
  first.keep("a", kOne);
  const std::string file = cache.contents();
  EXPECT(file.find(", a\t01\n") != std::string::npos);
  MeasuredChoices saved = all_of(first);
  saved.taken = {{"a", "02fe"}, {"b", "02fe"}};
  Choices second(0, false);
  second.recall(saved);
  EXPECT(finds(second, "a", kTwo));
  EXPECT(finds(second, "b", kTwo));
  second.take("c", kThree);
  EXPECT_EQUAL(cache.contents(), file);
  Choices third(0, false);
  EXPECT(finds(third, "a", kOne));
  EXPECT(!third.find("b").has_value());
}

TEST(what_replaces_a_choice_that_cannot_be_taken_stays_for_the_session) {
  const FreshCache cache;
  Choices choices(0, false);
  choices.recall({all_of(choices).device, {{"a", "02fe"}}});
  EXPECT(finds(choices, "a", kTwo));
  choices.keep("a", kOne);
  EXPECT(finds(choices, "a", kOne));
  EXPECT_EQUAL(text_of(all_of(choices)), "a=01;");
}

TEST(choices_of_another_device_are_not_taken) {
  const FreshCache cache;
  Choices first(0, false);
  first.keep("a", kOne);
  const MeasuredChoices saved = all_of(first);
  for (const auto& [variable, value] : std::map<const char*, const char*>{{"GRADSTEP_EMULATION_CAPABILITY", "8.0"},
                                                                          {"GRADSTEP_EMULATION_DRIVER", "99990"}}) {
    const Setting other(variable, value);
    Choices second(0, false);
    second.recall(saved);
    EXPECT(!second.find("a").has_value());
    EXPECT(all_of(second).device != saved.device);
  }
  EXPECT(saved.device.find("emulated CUDA device, 9.0, ") == 0);
  EXPECT(saved.device.find(", emulated products") != std::string::npos);
}

TEST(broken_choices_are_left_out) {
  const FreshCache cache;
  Choices choices(0, false);
  choices.recall({all_of(choices).device, {{"a", ""}, {"b", "0"}, {"c", "0g"}, {"d", "AB"}, {"e", "02fe"}}});
  for (const char* what : {"a", "b", "c", "d"}) EXPECT(!choices.find(what).has_value());
  EXPECT(finds(choices, "e", kTwo));
}

TEST(a_deterministic_session_has_no_choices) {
  const FreshCache cache;
  Choices first(0, false);
  first.keep("a", kOne);
  Choices second(0, true);
  second.recall(all_of(first));
  second.recall({"", {{"a", "01"}}});
  EXPECT(!second.find("a").has_value());
  second.take("b", kOne);
  EXPECT_EQUAL(all_of(second).device, "");
  EXPECT_EQUAL(text_of(all_of(second)), "");
}

TEST(a_backend_tells_what_its_loaded_programs_use) {
  const FreshCache cache;
  const Setting algorithms("GRADSTEP_EMULATION_PRODUCTS", "forward,backward");
  const std::string backward = "6261636b77617264";
  cuda::CudaBackend backend(0, false);
  EXPECT_EQUAL(text_of(backend.choices()), "");
  const int first = backend.load(product(2, 3, 4)), again = backend.load(product(2, 3, 4)),
            other = backend.load(product(4, 3, 2));
  const std::string one = "product 2 3 4 1=" + backward + ";", two = "product 4 3 2 1=" + backward + ";";
  EXPECT_EQUAL(text_of(backend.choices()), one + two);
  backend.unload(first);
  EXPECT_EQUAL(text_of(backend.choices()), one + two);
  backend.unload(again);
  EXPECT_EQUAL(text_of(backend.choices()), two);
  // A program that has to be prepared anew uses what it used.
  backend.reserve(1 << 20);
  EXPECT_EQUAL(backend.run(other, 1, {nullptr, 0}), 1);
  EXPECT_EQUAL(text_of(backend.choices()), two);
}

TEST(a_program_that_could_not_be_loaded_uses_nothing) {
  const FreshCache cache;
  for (uint64_t n = 1;; n++) {
    cuda::CudaBackend backend(0, false);
    bool is_loaded = true;
    emulation::fail_call(n, cudaErrorMemoryAllocation, emulation::Fault::kOnce);
    try {
      backend.load(ProgramBuilder().add(product_args(2, 3, 4)).add(product_args(3, 4, 2)).program());
    } catch (const Error&) {
      is_loaded = false;
    }
    const bool none_failed = emulation::failed_call().empty();
    emulation::fail_no_call();
    if (none_failed) return;
    if (is_loaded) continue;
    backend.load(product(4, 3, 2));
    EXPECT_EQUAL(text_of(backend.choices()), "product 4 3 2 1=666f7277617264;");
  }
}

TEST(a_backend_takes_what_a_saved_session_took) {
  const FreshCache cache;
  const Setting algorithms("GRADSTEP_EMULATION_PRODUCTS", "forward,backward");
  const std::string device = cuda::CudaBackend(0, false).choices().device, forward = "product 2 3 4 1=666f7277617264;";
  cuda::CudaBackend backend(0, false);
  backend.recall({device, {{"product 2 3 4 1", "666f7277617264"}}});
  backend.load(product(2, 3, 4));
  EXPECT_EQUAL(text_of(backend.choices()), forward);
  EXPECT_EQUAL(cache.contents(), "");
}

}  // namespace gradstep::test
