// verify: valid programs pass; each rule, broken in one place, is refused with the step, the op, the scope and the
// field.
#include "core/verify.h"

#include "core/backend.h"
#include "harness.h"
#include "program_builder.h"

using namespace gradstep;
using namespace gradstep::test;

namespace {

template <typename Args>
void check(const Args& args) {
  verify(ProgramBuilder().add(valid_matmul()).add(args, "net/here").program());
}

// Breaks a copy of valid arguments and expects the verifier to name the place and the fault.
template <typename Args, typename Break>
void refused(const char* file, int line, Args args, const char* op, const char* field, const char* fault,
             Break broken) {
  broken(args);
  const std::string place = std::string("Program step 1 (") + op + " in net/here), " + field + ": ";
  expect_error([&] { check(args); }, "ERR_PROGRAM", {place, fault}, file, line);
}
#define REFUSED(args, op, field, fault, change) \
  refused(__FILE__, __LINE__, args, op, field, fault, [](auto& a) { change; })

ConvDwArgs valid_conv_dw() {
  ConvDwArgs args{};
  args.x = tensor(Region::kScratch, DType::kFloat32, 0, {1, 4, 4, 2});
  args.dy = tensor(Region::kScratch, DType::kFloat32, 128, {1, 2, 2, 3});
  args.dw = tensor(Region::kScratch, DType::kFloat32, 512, {3, 3, 2, 3});
  args.stride_h = args.stride_w = args.dilation_h = args.dilation_w = args.groups = 1;
  args.shape = {4, {3, 3, 2, 3}};
  return args;
}

AdamArgs valid_adam() {
  AdamArgs args{};
  args.params = tensor(Region::kPersistent, DType::kFloat32, 0, {32});
  args.grads = tensor(Region::kScratch, DType::kFloat32, 0, {32});
  args.m = tensor(Region::kPersistent, DType::kFloat32, 128, {32});
  args.v = tensor(Region::kPersistent, DType::kFloat32, 256, {32});
  args.learning_rate = tensor(Region::kPersistent, DType::kFloat32, 384, {});
  args.state = tensor(Region::kPersistent, DType::kInt32, 448, {4});
  args.flag = tensor(Region::kPersistent, DType::kInt32, 512, {4});
  return args;
}

GatherArgs valid_gather() {
  GatherArgs args{};
  args.state = tensor(Region::kPersistent, DType::kInt32, 0, {4});
  args.flag = tensor(Region::kPersistent, DType::kInt32, 64, {4});
  args.y = tensor(Region::kScratch, DType::kFloat32, 0, {8, 3});
  args.index_slot = -1;
  args.shape = {2, {8, 3}};
  return args;
}

// Any op with all its tensors present and apart, for the walk over the table.
std::vector<char> plausible(const OpInfo& info) {
  std::vector<char> args(info.bytes);
  uint64_t offset = 0;
  for (const FieldInfo& field : info.fields) {
    char* at = args.data() + field.offset;
    const bool is_tensor =
        field.role == FieldRole::kInput || field.role == FieldRole::kMutated || field.role == FieldRole::kOutput;
    if (is_tensor) {
      uint32_t dtype = 0;
      while ((field.dtypes >> dtype & 1) == 0) dtype++;
      const Tensor t = tensor(Region::kScratch, static_cast<DType>(dtype), offset, {4});
      std::memcpy(at, &t, sizeof t);
      offset += kAlignment;
    } else if (field.role == FieldRole::kDims) {
      const Dims dims{1, {4}};
      std::memcpy(at, &dims, sizeof dims);
    } else if (field.role == FieldRole::kTape) {
      Tape tape{};
      tape.result_count = kMapOutputs;
      std::memcpy(at, &tape, sizeof tape);
    }
  }
  return args;
}

}  // namespace

TEST(verify_accepts_valid_steps) {
  check(valid_matmul());
  check(valid_map());
  check(valid_conv_dw());
  check(valid_adam());
  check(valid_gather());
}

TEST(verify_takes_bfloat16_in_products_of_that_precision_only) {
  MatmulArgs args = valid_matmul();
  args.a.dtype = DType::kBfloat16;
  args.precision = MatmulArgs::kPrecisionBfloat16;
  check(args);
  REFUSED(args, "matmul", "a", "it is bfloat16 and the precision is not", a.precision = MatmulArgs::kPrecisionTf32);
  REFUSED(args, "matmul", "a", "it is bfloat16 and the precision is not", a.precision = MatmulArgs::kPrecisionFloat32);
}

TEST(verify_walks_the_op_table) {
  int fields = 0;
  for (uint32_t op = 0; op < kOpCount; op++) {
    const OpInfo& info = op_table()[op];
    const std::vector<char> valid = plausible(info);
    const auto verify_args = [&](const std::vector<char>& args) {
      verify(ProgramBuilder().add(op, args.data(), args.size(), "here").program());
    };
    verify_args(valid);
    for (const FieldInfo& field : info.fields) {
      const std::string place = std::string("step 0 (") + info.name + " in here), " + field.name + ": ";
      std::vector<char> args = valid;
      char* at = args.data() + field.offset;
      // Only tensors lie at multiples of 8.
      auto& t = *reinterpret_cast<Tensor*>(args.data() + (field.dtypes != 0 ? field.offset : 0));
      const auto refused = [&](const char* fault) {
        EXPECT_ERROR("ERR_PROGRAM", verify_args(args), place, fault);
        args = valid;
        fields++;
      };
      switch (field.role) {
        case FieldRole::kInput:
        case FieldRole::kMutated:
        case FieldRole::kOutput:
          t.region = static_cast<Region>(3);
          refused("region 3");
          t.dtype = static_cast<DType>(5);
          refused("dtype 5");
          for (uint32_t d = 0; d < 5; d++) {
            if (field.dtypes >> d & 1) continue;
            t.dtype = static_cast<DType>(d);
            refused("it may not be");
          }
          t.offset += 4;
          refused("not a multiple of 64");
          t.offset = 8192;
          refused("leave the scratch region");
          t.offset = ~uint64_t{63};
          refused("leave the scratch region");
          t.region = Region::kPersistent;
          t.offset = 8192;
          refused("leave the persistent region");
          t.dims[0] = 0;
          refused("dimension 0 is 0");
          t.rank = 7;
          refused("rank 7");
          if (!field.optional) {
            t.region = Region::kNone;
            refused("required and absent");
          }
          break;
        case FieldRole::kEnum:
        case FieldRole::kAccumulate:
          for (const int32_t value : {-1, static_cast<int32_t>(field.limit)}) {
            std::memcpy(at, &value, sizeof value);
            refused("is not in 0..");
          }
          break;
        case FieldRole::kDims:
          reinterpret_cast<Dims*>(at)->rank = -1;
          refused("rank -1");
          reinterpret_cast<Dims*>(at)->d[0] = -5;
          refused("dimension 0 is -5");
          break;
        case FieldRole::kInt:
        case FieldRole::kFloat:
        case FieldRole::kTape:
          break;
      }
    }
  }
  EXPECT(fields > 500);
}

TEST(verify_refuses_sizes_that_overflow) {
  REFUSED(valid_matmul(), "matmul", "a", "2^31 elements", (a.a.dims[0] = 65536, a.a.dims[1] = 65536));
  REFUSED(valid_matmul(), "matmul", "a", "2^31 elements", (a.a.rank = 6, std::fill_n(a.a.dims, 6, INT32_MAX)));
}

TEST(verify_refuses_an_unaligned_slice) {
  REFUSED(valid_adam(), "adam", "m", "offset 132 is not a multiple of 64", a.m.offset = 132);
}

TEST(verify_keeps_what_is_written_apart) {
  REFUSED(valid_matmul(), "matmul", "y", "it overlaps a", a.y.offset = 0);
  REFUSED(valid_matmul(), "matmul", "y", "it overlaps b", a.y.offset = 704);
  REFUSED(valid_map(), "map", "out0", "it overlaps out1", a.out1.offset = 256);
  REFUSED(valid_map(), "map", "out0", "it overlaps out1", a.out1.offset = 320);
  // The first and the last byte count, and regions do not mix.
  MatmulArgs next = valid_matmul();
  next.y.offset = 768;
  check(next);
  next.y.region = Region::kPersistent;
  next.y.offset = 64;
  check(next);
}

TEST(verify_allows_in_place_where_the_op_does) {
  MapArgs args = valid_map();
  args.out0.offset = args.in0.offset;
  check(args);
  REFUSED(valid_map(), "map", "out0", "it overlaps in0", a.out0.offset = 64);
  REFUSED(valid_map(), "map", "out0", "it overlaps in0", (a.out0.offset = 0, a.in0.dtype = DType::kInt32));
  REFUSED(valid_map(), "map", "out0", "it overlaps in1", a.out0.offset = 128);
  SoftmaxArgs softmax{};
  softmax.x = softmax.y = tensor(Region::kScratch, DType::kFloat32, 0, {4, 8});
  check(softmax);
  // softmaxCrossEntropyDx may take over the probabilities, not the labels.
  SoftmaxCrossEntropyDxArgs dx{};
  dx.probabilities = tensor(Region::kScratch, DType::kFloat32, 0, {4, 8});
  dx.labels = tensor(Region::kScratch, DType::kFloat32, 256, {4, 8});
  dx.dloss = tensor(Region::kScratch, DType::kFloat32, 512, {4});
  dx.dx = dx.probabilities;
  check(dx);
  REFUSED(dx, "softmaxCrossEntropyDx", "dx", "it overlaps labels", a.dx = a.labels);
}

TEST(verify_keeps_an_accumulating_output_apart) {
  ReduceSumArgs args{};
  args.x = tensor(Region::kScratch, DType::kFloat32, 0, {4, 8});
  args.y = tensor(Region::kScratch, DType::kFloat32, 128, {8});
  args.accumulate_y = 1;
  args.outer = 1;
  args.length = 4;
  args.inner = 8;
  args.shape = {1, {8}};
  check(args);
  REFUSED(args, "reduceSum", "y", "it overlaps x", a.y.offset = 0);
}

TEST(verify_keeps_mutated_inputs_apart) {
  REFUSED(valid_adam(), "adam", "params", "it overlaps m", a.m.offset = a.params.offset);
  REFUSED(valid_adam(), "adam", "params", "it overlaps grads", a.grads = a.params);
  REFUSED(valid_adam(), "adam", "v", "it overlaps learningRate", a.learning_rate.offset = a.v.offset + 64);
  REFUSED(valid_gather(), "gather", "flag", "it overlaps state", a.flag = a.state);
  REFUSED(valid_gather(), "gather", "y", "it overlaps flag", (a.y.region = Region::kPersistent, a.y.offset = 64));
}

TEST(verify_lets_reads_share_memory) {
  MapArgs args = valid_map();
  args.in1 = args.in0;
  check(args);
  MatmulArgs square = valid_matmul();
  square.a = square.b = tensor(Region::kScratch, DType::kFloat32, 0, {8, 8});
  square.transpose_b = MatmulArgs::kTransposeBYes;
  check(square);
}

TEST(verify_checks_slots_and_state) {
  REFUSED(valid_gather(), "gather", "slot", "slot 128 does not exist", a.slot = kSlots);
  REFUSED(valid_gather(), "gather", "slot", "slot -1 does not exist", a.slot = -1);
  REFUSED(valid_gather(), "gather", "indexSlot", "slot -2 does not exist", a.index_slot = -2);
  REFUSED(valid_gather(), "gather", "indexSlot", "slot 128 does not exist", a.index_slot = kSlots);
  REFUSED(valid_gather(), "gather", "flag", "it has 3 elements, expected 4", a.flag.dims[0] = 3);
  REFUSED(valid_gather(), "gather", "state", "it has 1 elements, expected 4", a.state.rank = 0);
}

TEST(verify_checks_the_shapes_of_a_map) {
  REFUSED(valid_map(), "map", "in3", "it is present and in2 is not", (a.in3 = a.in0));
  REFUSED(valid_map(), "map", "out0", "at least one output", (a.out0.region = a.out1.region = Region::kNone));
  REFUSED(valid_map(), "map", "out3", "it is present and out2 is not", (a.out3 = a.out1, a.out3.offset = 1024));
  REFUSED(valid_map(), "map", "in1", "does not broadcast to 8", a.in1.dims[0] = 4);
  REFUSED(valid_map(), "map", "in1", "rank is greater",
          (a.in1.rank = 3, a.in1.dims[1] = a.in1.dims[2] = 1, a.in1.dims[0] = 8));
  REFUSED(valid_map(), "map", "out0", "shape is not the domain's", a.out0.rank = 1);
  REFUSED(valid_map(), "map", "out1", "shape is not the domain's", (a.out1.dims[0] = 8, a.out1.dims[1] = 4));
  REFUSED(valid_map(), "map", "out0", "shape is not the domain's", a.reduce_rank = 1);
  REFUSED(valid_map(), "map", "reduceRank", "3 is not in 0..2", a.reduce_rank = 3);
  REFUSED(valid_map(), "map", "reduceRank", "-1 is not in 0..2", a.reduce_rank = -1);
  MapArgs reduced = valid_map();
  reduced.reduce_rank = 1;
  reduced.out0.rank = 1;
  check(reduced);
}

TEST(verify_checks_the_tape_of_a_map) {
  REFUSED(valid_map(), "map", "tape", "33 instructions, at most 32", a.tape.instructions = kTapeCode + 1);
  REFUSED(valid_map(), "map", "tape", "-1 instructions", a.tape.instructions = -1);
  REFUSED(valid_map(), "map", "tape", "17 immediates, at most 16", a.tape.immediate_count = kTapeImmediates + 1);
  REFUSED(valid_map(), "map", "tape", "5 results, at most 4", a.tape.result_count = 5);
  REFUSED(valid_map(), "map", "tape", "1 results for 2 outputs", a.tape.result_count = 1);
  REFUSED(valid_map(), "map", "tape", "instruction 0 calls function 200", a.tape.code[0][0] = 200);
  REFUSED(valid_map(), "map", "tape", "instruction 0 refers to operand 2", a.tape.code[0][1] = 2);
  REFUSED(valid_map(), "map", "tape", "instruction 0 refers to operand 16", a.tape.code[0][1] = kTapeRegister);
  REFUSED(valid_map(), "map", "tape", "instruction 1 refers to operand 17", a.tape.code[1][1] = kTapeRegister + 1);
  REFUSED(valid_map(), "map", "tape", "instruction 1 refers to operand 65", a.tape.code[1][2] = kTapeImmediate + 1);
  REFUSED(valid_map(), "map", "tape", "result 1 refers to operand 18", a.tape.results[1] = kTapeRegister + 2);
  REFUSED(valid_map(), "map", "tape", "result 0 refers to operand -1", a.tape.results[0] = -1);
  // Operands beyond a function's arity are not looked at.
  MapArgs args = valid_map();
  args.tape.code[0][3] = 255;
  check(args);
}

TEST(verify_survives_any_bytes) {
  const std::vector<char> valid =
      ProgramBuilder().add(valid_matmul()).add(valid_map()).add(valid_adam()).add(valid_gather()).bytes();
  uint64_t state = 12345;
  const auto random = [&](uint64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % below;
  };
  int refusals = 0;
  for (int round = 0; round < 20000; round++) {
    std::vector<char> bytes = valid;
    for (uint64_t n = 1 + random(4); n > 0; n--) {
      // Mostly the steps: a broken header ends the matter early.
      const uint64_t at = random(8) == 0 ? random(bytes.size()) : 40 + random(bytes.size() - 40);
      bytes[at] = static_cast<char>(random(4) == 0 ? random(256) : bytes[at] ^ (1 << random(8)));
    }
    try {
      verify(parse_program(bytes.data(), bytes.size()));
    } catch (const Error& error) {
      EXPECT_EQUAL(std::string(error.code()), "ERR_PROGRAM");
      refusals++;
    }
  }
  EXPECT(refusals > 5000);
}
