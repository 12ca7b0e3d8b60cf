// The words of sixteen draws at a time (cpu/random_block.h) against Philox one draw after the other: consecutive draws,
// draws far apart, and draws whose upper half changes on the way.
#include "cpu/random_block.h"

#include "harness.h"

using namespace gradstep;

namespace {

void expect_words(uint64_t draw, uint64_t stride) {
  const int32_t state[kStateSeedHigh + 1] = {7, 0, -11, 1 << 30};
  constexpr uint32_t kStream = 0x9abcdef0u;
  uint32_t words[kRandomBlock];
  cpu::draw_words(words, draw, stride, state, kStream);
  for (int l = 0; l < kRandomLanes; l++) {
    const uint64_t at = draw + l * stride;
    const Philox4 expected =
        philox(static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), static_cast<uint32_t>(state[kStateStep]), 0,
               static_cast<uint32_t>(state[kStateSeedLow]) ^ kStream, static_cast<uint32_t>(state[kStateSeedHigh]));
    for (int j = 0; j < kRandomWords; j++) EXPECT_EQUAL(words[j * kRandomLanes + l], expected.w[j]);
  }
}

}  // namespace

TEST(random_words_of_consecutive_draws) {
  expect_words(0, 1);
  expect_words(1600, 1);
}

TEST(random_words_of_draws_far_apart) {
  expect_words(3, 17);
  expect_words(0x100000005u, 0x7fffff);
}

TEST(random_words_of_draws_whose_upper_half_changes) {
  expect_words(0xfffffff8u, 1);
  expect_words(0x2fffffff0u, 1000);
  expect_words(5, 0x100000003u);
}
