// parse_program: programs that are not whole, not ours, or not even programs.
#include "harness.h"
#include "program_builder.h"

using namespace gradstep;
using namespace gradstep::test;

namespace {

ProgramBuilder two_steps() { return ProgramBuilder().add(valid_matmul(), "dense_1").add(valid_map(), "activation"); }

Program parse(const std::vector<char>& bytes) { return parse_program(bytes.data(), bytes.size()); }

}  // namespace

TEST(program_is_read_as_it_was_written) {
  const Program program = two_steps().program();
  EXPECT_EQUAL(program.persistent_bytes, 8192u);
  EXPECT_EQUAL(program.steps.size(), 2u);
  EXPECT_EQUAL(program.steps[0].scope, "dense_1");
  EXPECT_EQUAL(program.steps[1].scope, "activation");
  EXPECT_EQUAL(program.steps[1].op, CodeOf<MapArgs>::value);
  const auto& args = *static_cast<const MatmulArgs*>(program.steps[0].args);
  EXPECT_EQUAL(args.b.offset, 256u);
  EXPECT_EQUAL(args.y.dims[1], 8);
}

TEST(program_survives_a_move) {
  Program program = two_steps().program();
  const Program moved = std::move(program);
  EXPECT_EQUAL(static_cast<const MatmulArgs*>(moved.steps[0].args)->y.offset, 1024u);
}

TEST(program_without_steps) { EXPECT_EQUAL(ProgramBuilder().program().steps.size(), 0u); }

TEST(program_cut_off_anywhere_is_refused) {
  const std::vector<char> bytes = two_steps().bytes();
  for (size_t length = 0; length < bytes.size(); length++) {
    // A buffer of its own, so that a sanitizer sees a read past the end.
    const std::vector<char> part(bytes.begin(), bytes.begin() + static_cast<long>(length));
    EXPECT_ERROR("ERR_PROGRAM", parse(part), "Not a program");
  }
}

TEST(program_with_bytes_after_its_end_is_refused) {
  std::vector<char> bytes = two_steps().bytes();
  bytes.push_back(0);
  EXPECT_ERROR("ERR_PROGRAM", parse(bytes), "1 bytes follow its end");
}

TEST(program_of_another_magic_format_or_table_is_refused) {
  ProgramBuilder magic = two_steps();
  magic.magic++;
  EXPECT_ERROR("ERR_PROGRAM", magic.program(), "GSP1");
  ProgramBuilder format = two_steps();
  format.format = kFormat + 1;
  EXPECT_ERROR("ERR_PROGRAM", format.program(), "format is " + std::to_string(kFormat + 1));
  ProgramBuilder hash = two_steps();
  hash.hash ^= 1;
  EXPECT_ERROR("ERR_PROGRAM", hash.program(), "op table");
}

TEST(program_with_an_unknown_op_is_refused) {
  const uint64_t args[4] = {};
  const auto bytes = ProgramBuilder().add(valid_map()).add(9999, args, sizeof args).bytes();
  EXPECT_ERROR("ERR_PROGRAM", parse(bytes), "step 1 has op code 9999");
}

TEST(program_with_arguments_of_another_size_is_refused) {
  const MatmulArgs args = valid_matmul();
  const auto bytes = ProgramBuilder().add(CodeOf<MatmulArgs>::value, &args, sizeof args - 8).bytes();
  EXPECT_ERROR("ERR_PROGRAM", parse(bytes), "step 0 (matmul)", "expected " + std::to_string(sizeof args));
}

TEST(program_that_counts_more_steps_than_it_has_is_refused) {
  std::vector<char> bytes = two_steps().bytes();
  const uint32_t count = 0xffffffff;
  std::memcpy(bytes.data() + 32, &count, sizeof count);
  EXPECT_ERROR("ERR_PROGRAM", parse(bytes), "4294967295 steps do not fit");
}

TEST(program_with_another_number_of_scopes_is_refused) {
  EXPECT_ERROR("ERR_PROGRAM", ProgramBuilder().add(valid_map(), "a\nb").program(), "another number of scopes");
  std::vector<char> bytes = ProgramBuilder().add(valid_map(), "a").add(valid_map(), "b").bytes();
  bytes[bytes.size() - 2] = '-';  // the newline between them
  EXPECT_ERROR("ERR_PROGRAM", parse(bytes), "another number of scopes");
}

TEST(program_with_regions_out_of_proportion_is_refused) {
  ProgramBuilder persistent = two_steps();
  persistent.persistent_bytes = uint64_t{1} << 60;
  EXPECT_ERROR("ERR_PROGRAM", persistent.program(), "persistent");
  ProgramBuilder scratch = two_steps();
  scratch.scratch_bytes = ~uint64_t{0};
  EXPECT_ERROR("ERR_PROGRAM", scratch.program(), "scratch");
}
