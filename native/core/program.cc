// The framing of an encoded program (lib/compile/encode.ts): header, one record a step, the steps' scopes. Nothing in
// the bytes is trusted: every size is compared with what is left before it is used.
#include "core/program.h"

#include <cstring>

#include "core/error.h"
#include "core/op_info.h"
#include "generated/ops.h"

namespace gradstep {
namespace {

constexpr size_t kHeaderBytes = 40;
constexpr size_t kRecordBytes = 8;
constexpr uint64_t kMaxRegionBytes = uint64_t{1} << 46;  // sums of offsets and sizes cannot overflow

[[noreturn]] void refuse(const std::string& what) { throw Error("ERR_PROGRAM", "Not a program: " + what); }

std::string hex(uint64_t value) {
  std::string text(16, '0');
  for (int i = 15; i >= 0; i--, value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

class Reader {
 public:
  Reader(const void* data, size_t bytes) : at_(static_cast<const char*>(data)), left_(bytes) {}

  const char* take(size_t bytes, const std::string& what) {
    if (bytes > left_) {
      refuse(what + " needs " + std::to_string(bytes) + " bytes, " + std::to_string(left_) + " are left");
    }
    const char* from = at_;
    at_ += bytes;
    left_ -= bytes;
    return from;
  }

  template <typename T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof value, what), sizeof value);
    return value;
  }

  size_t left() const { return left_; }

 private:
  const char* at_;
  size_t left_;
};

// One scope a step, separated by newlines.
void read_scopes(const char* names, size_t bytes, std::vector<ProgramStep>& steps) {
  const char* const end = names + bytes;
  for (size_t i = 0; i < steps.size(); i++) {
    const void* found = names < end ? std::memchr(names, '\n', end - names) : nullptr;
    const char* stop = found ? static_cast<const char*>(found) : end;
    if ((found != nullptr) != (i + 1 < steps.size())) {
      refuse("it has " + std::to_string(steps.size()) + " steps and another number of scopes");
    }
    steps[i].scope.assign(names, stop);
    names = found ? stop + 1 : end;
  }
  if (names != end) refuse("it has scopes and no steps");
}

}  // namespace

Program parse_program(const void* data, size_t bytes) {
  Reader reader(data, bytes);
  if (bytes < kHeaderBytes)
    refuse("it has " + std::to_string(bytes) + " bytes, a header has " + std::to_string(kHeaderBytes));
  if (reader.number<uint32_t>("magic") != kMagic) refuse("it does not begin with GSP1");
  const auto format = reader.number<uint32_t>("format");
  if (format != kFormat) refuse("its format is " + std::to_string(format) + ", expected " + std::to_string(kFormat));
  const auto hash = reader.number<uint64_t>("hash");
  if (hash != kOpTableHash) refuse("it is of op table " + hex(hash) + ", expected " + hex(kOpTableHash));

  Program program;
  program.persistent_bytes = reader.number<uint64_t>("persistent size");
  program.scratch_bytes = reader.number<uint64_t>("scratch size");
  if (program.persistent_bytes > kMaxRegionBytes) refuse("its persistent region is out of all proportion");
  if (program.scratch_bytes > kMaxRegionBytes) refuse("its scratch region is out of all proportion");
  const auto count = reader.number<uint32_t>("step count");
  const auto name_bytes = reader.number<uint32_t>("size of scopes");
  if (count > reader.left() / kRecordBytes) refuse(std::to_string(count) + " steps do not fit its size");

  // Two passes: the argument structs move into one block whose size must be known before pointers into it are kept.
  program.steps.resize(count);
  std::vector<size_t> offsets(count);
  program.storage.reserve(reader.left() / sizeof(uint64_t));
  for (uint32_t i = 0; i < count; i++) {
    const std::string where = "step " + std::to_string(i);
    const auto op = reader.number<uint32_t>("an op code");
    const auto size = reader.number<uint32_t>("a size of arguments");
    if (op >= op_table().size()) refuse(where + " has op code " + std::to_string(op) + ", which no op has");
    const OpInfo& info = op_table()[op];
    if (size != info.bytes) {
      refuse(where + " (" + info.name + ") has " + std::to_string(size) + " bytes of arguments, expected " +
             std::to_string(info.bytes));
    }
    const char* from = reader.take(size, where);
    program.steps[i].op = op;
    offsets[i] = program.storage.size();
    program.storage.resize(offsets[i] + size / sizeof(uint64_t));
    std::memcpy(program.storage.data() + offsets[i], from, size);
  }
  for (uint32_t i = 0; i < count; i++) program.steps[i].args = program.storage.data() + offsets[i];

  const char* names = reader.take(name_bytes, "the list of scopes");
  if (reader.left() > 0) refuse(std::to_string(reader.left()) + " bytes follow its end");
  read_scopes(names, name_bytes, program.steps);
  return program;
}

}  // namespace gradstep
