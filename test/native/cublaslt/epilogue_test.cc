// Which algorithms the GEMM seam trusts with what an epilogue does besides to add a bias and to cut at 0: those whose
// results it has seen to be right, on the stand-ins of choice_test.cc.
#include <string>
#include <utility>

#include "../harness.h"
#include "stand_ins.h"

namespace gradstep::cuda {
namespace {

TEST(the_fastest_that_is_right_in_what_an_epilogue_does_is_taken) {
  const std::pair<Epilogue, FakeResult> wrong[] = {
      {Epilogue::kRelu, kBitsOfZeros},    {Epilogue::kRelu, kOtherBits},  {Epilogue::kRelu, kRough},
      {Epilogue::kGelu, kRough},          {Epilogue::kReluSlope, kRough}, {Epilogue::kReluSlope, kOtherSums},
      {Epilogue::kGeluSlope, kOtherSums}, {Epilogue::kGeluSlope, kRough}, {Epilogue::kNone, kOtherSums},
  };
  for (const auto& [epilogue, result] : wrong) {
    fresh();
    propose({{4e-6, kRight}, {1e-6, result}, {2e-6, kRight}, {1e-6, kRefused}});
    EXPECT_EQUAL(see(layer(epilogue)).algorithm, 2);
    // In a prediction there is no aux to go by.
    GemmShape alone = layer(Epilogue::kGelu);
    alone.aux = false;
    EXPECT_EQUAL(see(alone).algorithm, result == kRough ? 2 : 1);
  }
}

TEST(one_whose_transposed_operands_are_strided_is_seen_as_well) {
  for (const Epilogue epilogue : kEpilogues) {
    fresh();
    propose({{4e-6, kRight}, {1e-6, kRough}, {2e-6, kRight}});
    GemmShape s = layer(epilogue);
    s.transpose_a = s.transpose_b = true;
    EXPECT_EQUAL(see(s).algorithm, 2);
  }
}

// What the library does not round has no excuse.
TEST(one_of_operands_in_bfloat16_is_seen_as_in_float32) {
  for (const Epilogue epilogue : kEpilogues) {
    fresh();
    propose({{4e-6, kRight}, {1e-6, kRough}, {2e-6, kRight}});
    GemmShape s = layer(epilogue);
    s.precision = Precision::kBfloat16;
    // Of what the library rounds, that may be its rounding.
    if (epilogue == Epilogue::kNone) EXPECT_EQUAL(see(s).algorithm, 1);
    s.operands = DType::kBfloat16;
    EXPECT_EQUAL(see(s).algorithm, 2);
    s.transpose_a = s.transpose_b = true;
    EXPECT_EQUAL(see(s).algorithm, 2);
    const std::pair<Epilogue, FakeResult> wrong[] = {{Epilogue::kNone, kOtherSums},
                                                     {Epilogue::kRelu, kBitsOfZeros},
                                                     {Epilogue::kGelu, kRough},
                                                     {Epilogue::kReluSlope, kOtherSums},
                                                     {Epilogue::kGeluSlope, kOtherSums}};
    for (const auto& [of, result] : wrong) {
      if (of != epilogue) continue;
      fresh();
      propose({{4e-6, kRight}, {1e-6, result}, {2e-6, kRight}});
      EXPECT_EQUAL(see(s).algorithm, 2);
    }
  }
}

TEST(one_whose_result_is_bfloat16_is_seen_up_to_its_rounding) {
  for (const bool bias : {false, true}) {
    for (const FakeResult result : {kRight, kBitsOfZeros, kOtherBits, kWrong}) {
      fresh();
      propose({{4e-6, kRight}, {1e-6, result}, {2e-6, kRight}});
      GemmShape s = layer(Epilogue::kRelu);
      s.bias = bias;
      s.precision = Precision::kBfloat16;
      s.operands = s.result = DType::kBfloat16;
      EXPECT_EQUAL(see(s).algorithm, result == kRight ? 1 : 2);
    }
  }
}

TEST(an_epilogue_is_seen_even_if_there_is_one_algorithm) {
  for (const Epilogue epilogue : kEpilogues) {
    for (const FakeResult result : {kRight, kRough, kRefused}) {
      const std::string folder = fresh();
      propose({{1e-6, result}});
      const Seen seen = see(layer(epilogue));
      EXPECT_EQUAL(seen.supported, result == kRight);
      if (result != kRefused) EXPECT(seen.launches > 0);
      in_another_process(folder + "-other", contents(file_in(folder)));
      const Seen again = see(layer(epilogue));
      EXPECT_EQUAL(again.supported, result == kRight);
      EXPECT_EQUAL(again.launches, 0);
    }
  }
}

TEST(an_epilogue_that_nobody_can_see_is_not_there) {
  const std::string folder = fresh();
  propose({{1e-6, kRight}});
  fake_device().has_memory = false;
  for (const Epilogue epilogue : kEpilogues) EXPECT(!see(layer(epilogue)).supported);
  EXPECT_EQUAL(contents(file_in(folder)), "");
  fake_device().has_memory = true;
  for (const Epilogue epilogue : kEpilogues) EXPECT(see(layer(epilogue)).supported);
}

TEST(an_epilogue_that_the_library_lacks_is_not_there) {
  const std::pair<Epilogue, cublasLtEpilogue_t> names[] = {{Epilogue::kNone, CUBLASLT_EPILOGUE_BGRADA},
                                                           {Epilogue::kRelu, CUBLASLT_EPILOGUE_RELU_AUX_BIAS},
                                                           {Epilogue::kGelu, CUBLASLT_EPILOGUE_GELU_AUX_BIAS},
                                                           {Epilogue::kReluSlope, CUBLASLT_EPILOGUE_DRELU_BGRAD},
                                                           {Epilogue::kGeluSlope, CUBLASLT_EPILOGUE_DGELU_BGRAD}};
  for (const auto& [epilogue, name] : names) {
    fresh();
    propose({{1e-6, kRight}, {2e-6, kRight}});
    library().lack(name);
    Choices choices(0, false);
    for (const Epilogue other : kEpilogues) EXPECT_EQUAL(see(layer(other)).supported, other != epilogue);
    EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", make_gemm(choices)->plan(layer(epilogue)), "no algorithm");
  }
}

TEST(deterministic_sees_nothing) {
  const std::string folder = fresh();
  propose({{3e-6, kRight}, {1e-6, kRight}});
  for (const Epilogue epilogue : kEpilogues) {
    const Seen seen = see(layer(epilogue), true);
    EXPECT_EQUAL(seen.launches, 0);
    EXPECT_EQUAL(seen.algorithm, 0);
  }
  EXPECT_EQUAL(contents(file_in(folder)), "");
}

}  // namespace
}  // namespace gradstep::cuda
