#include "core/verify_map.h"

#include "generated/scalars.h"

namespace gradstep {
namespace {

// Number of operands of every scalar function, by code.
#define GRADSTEP_ARITY(code, name, arity) arity,
constexpr int kArities[] = {GRADSTEP_SCALARS(GRADSTEP_ARITY)};
#undef GRADSTEP_ARITY
constexpr int kFunctions = sizeof kArities / sizeof kArities[0];

// How many of `count` tensors are present; they must be the first ones.
int present(const Tensor* tensors, int count, const char* prefix, const Refuse& refuse) {
  int n = 0;
  while (n < count && tensors[n].present()) n++;
  for (int i = n; i < count; i++) {
    if (tensors[i].present())
      refuse(prefix + std::to_string(i), "it is present and " + (prefix + std::to_string(n)) + " is not");
  }
  return n;
}

bool range(int32_t value, int32_t low, int32_t high) { return value >= low && value <= high; }

class TapeVerifier {
 public:
  TapeVerifier(const Tape& tape, int inputs, const Refuse& refuse) : tape_(tape), inputs_(inputs), refuse_(refuse) {}

  void run(int outputs) const {
    count(tape_.instructions, kTapeCode, "instructions");
    count(tape_.immediate_count, kTapeImmediates, "immediates");
    count(tape_.result_count, kMapOutputs, "results");
    if (tape_.result_count != outputs) {
      refuse_("tape", std::to_string(tape_.result_count) + " results for " + std::to_string(outputs) + " outputs");
    }
    for (int i = 0; i < tape_.instructions; i++) {
      const uint8_t* row = tape_.code[i];
      const std::string where = "instruction " + std::to_string(i);
      if (row[0] >= kFunctions)
        refuse_("tape", where + " calls function " + std::to_string(row[0]) + ", which does not exist");
      for (int k = 1; k <= kArities[row[0]]; k++) operand(row[k], i, where);
    }
    for (int i = 0; i < outputs; i++) operand(tape_.results[i], tape_.instructions, "result " + std::to_string(i));
  }

 private:
  void count(int32_t value, int32_t most, const char* what) const {
    if (!range(value, 0, most))
      refuse_("tape", std::to_string(value) + " " + what + ", at most " + std::to_string(most));
  }

  // An operand is an input, the result of an instruction before `before`, or an immediate.
  void operand(int32_t code, int before, const std::string& where) const {
    const bool exists = code >= kTapeImmediate  ? code - kTapeImmediate < tape_.immediate_count
                        : code >= kTapeRegister ? code - kTapeRegister < before
                                                : code >= 0 && code < inputs_;
    if (!exists) refuse_("tape", where + " refers to operand " + std::to_string(code) + ", which is not there");
  }

  const Tape& tape_;
  const int inputs_;
  const Refuse& refuse_;
};

}  // namespace

void verify_map(const MapArgs& args, const Refuse& refuse) {
  const Tensor* const in = &args.in0;
  const Tensor* const out = &args.out0;
  const Dims& domain = args.domain;
  const int inputs = present(in, kMapInputs, "in", refuse);
  const int outputs = present(out, kMapOutputs, "out", refuse);
  if (outputs == 0) refuse("out0", "a map has at least one output");
  if (!range(args.reduce_rank, 0, domain.rank)) {
    refuse("reduceRank", std::to_string(args.reduce_rank) + " is not in 0.." + std::to_string(domain.rank));
  }
  for (int k = 0; k < inputs; k++) {
    const std::string field = "in" + std::to_string(k);
    const int skip = domain.rank - in[k].rank;
    if (skip < 0) refuse(field, "its rank is greater than the domain's");
    for (int i = 0; i < in[k].rank; i++) {
      if (in[k].dims[i] == 1 || in[k].dims[i] == domain.d[skip + i]) continue;
      refuse(field, "dimension " + std::to_string(i) + " is " + std::to_string(in[k].dims[i]) +
                        ", which does not broadcast to " + std::to_string(domain.d[skip + i]));
    }
  }
  for (int k = 0; k < outputs; k++) {
    const int rank = k == 0 ? domain.rank - args.reduce_rank : domain.rank;
    bool equal = out[k].rank == rank;
    for (int i = 0; equal && i < rank; i++) equal = out[k].dims[i] == domain.d[i];
    if (!equal) refuse("out" + std::to_string(k), "its shape is not the domain's");
  }
  TapeVerifier(args.tape, inputs, refuse).run(outputs);
}

}  // namespace gradstep
