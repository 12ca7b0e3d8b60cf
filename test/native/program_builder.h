// Builds programs in the encoded form, from argument structs, for the tests of the parser, the verifier and sessions.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/op_info.h"
#include "core/program.h"
#include "generated/ops.h"

namespace gradstep::test {

// The op code that goes with an argument struct.
template <typename Args>
struct CodeOf;
#define GRADSTEP_CODE(code, Args, function) \
  template <>                               \
  struct CodeOf<Args> {                     \
    static constexpr uint32_t value = code; \
  };
GRADSTEP_OPS(GRADSTEP_CODE)
#undef GRADSTEP_CODE

inline Tensor tensor(Region region, DType dtype, uint64_t offset, const std::vector<int32_t>& dims) {
  Tensor t{};
  t.region = region;
  t.dtype = dtype;
  t.offset = offset;
  t.rank = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); i++) t.dims[i] = dims[i];
  return t;
}

class ProgramBuilder {
 public:
  uint32_t magic = kMagic;
  uint32_t format = kFormat;
  uint64_t hash = kOpTableHash;
  uint64_t persistent_bytes = 8192;
  uint64_t scratch_bytes = 8192;

  template <typename Args>
  ProgramBuilder& add(const Args& args, const std::string& scope = "layer") {
    return add(CodeOf<Args>::value, &args, sizeof args, scope);
  }
  ProgramBuilder& add(uint32_t op, const void* args, size_t bytes, const std::string& scope = "layer") {
    const char* from = static_cast<const char*>(args);
    steps_.push_back({op, static_cast<uint32_t>(bytes), std::vector<char>(from, from + bytes)});
    scopes_ += (steps_.size() > 1 ? "\n" : "") + scope;
    return *this;
  }

  std::vector<char> bytes() const {
    std::vector<char> out;
    put(out, magic);
    put(out, format);
    put(out, hash);
    put(out, persistent_bytes);
    put(out, scratch_bytes);
    put(out, static_cast<uint32_t>(steps_.size()));
    put(out, static_cast<uint32_t>(scopes_.size()));
    for (const Step& step : steps_) {
      put(out, step.op);
      put(out, step.declared_bytes);
      out.insert(out.end(), step.args.begin(), step.args.end());
    }
    out.insert(out.end(), scopes_.begin(), scopes_.end());
    return out;
  }

  Program program() const {
    const std::vector<char> encoded = bytes();
    return parse_program(encoded.data(), encoded.size());
  }

 private:
  struct Step {
    uint32_t op;
    uint32_t declared_bytes;
    std::vector<char> args;
  };

  template <typename T>
  static void put(std::vector<char>& out, const T& value) {
    const char* from = reinterpret_cast<const char*>(&value);
    out.insert(out.end(), from, from + sizeof value);
  }

  std::vector<Step> steps_;
  std::string scopes_;
};

// y [4, 8] = a [4, 16] b [16, 8] + bias [8], with relu: four tensors side by side in scratch.
inline MatmulArgs valid_matmul() {
  MatmulArgs args{};
  args.a = tensor(Region::kScratch, DType::kFloat32, 0, {4, 16});
  args.b = tensor(Region::kScratch, DType::kFloat32, 256, {16, 8});
  args.bias = tensor(Region::kPersistent, DType::kFloat32, 0, {8});
  args.y = tensor(Region::kScratch, DType::kFloat32, 1024, {4, 8});
  args.activation = MatmulArgs::kActivationRelu;
  return args;
}

// out0 [4, 8] = in0 [4, 8] * in1 [8] + 0.5, out1 = the product.
inline MapArgs valid_map() {
  MapArgs args{};
  args.in0 = tensor(Region::kScratch, DType::kFloat32, 0, {4, 8});
  args.in1 = tensor(Region::kScratch, DType::kFloat32, 128, {8});
  args.out0 = tensor(Region::kScratch, DType::kFloat32, 256, {4, 8});
  args.out1 = tensor(Region::kScratch, DType::kFloat32, 512, {4, 8});
  args.domain = {2, {4, 8}};
  args.tape.instructions = 2;
  args.tape.immediate_count = 1;
  args.tape.result_count = 2;
  args.tape.immediates[0] = 0.5f;
  const uint8_t code[2][4] = {{3, 0, 1, 0}, {1, kTapeRegister, kTapeImmediate, 0}};  // mul, add
  std::memcpy(args.tape.code, code, sizeof code);
  args.tape.results[0] = kTapeRegister + 1;
  args.tape.results[1] = kTapeRegister;
  args.scale = 1;
  return args;
}

}  // namespace gradstep::test
