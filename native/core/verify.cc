#include "core/verify.h"

#include <cstring>
#include <limits>

#include "core/backend.h"
#include "core/error.h"
#include "core/op_info.h"
#include "core/verify_map.h"
#include "generated/args/matmul.h"

namespace gradstep {
namespace {

const char* const kDtypeNames[] = {"float32", "int32", "uint8", "float64", "bfloat16"};
constexpr uint32_t kDtypeCount = sizeof(kDtypeNames) / sizeof(*kDtypeNames);
constexpr int64_t kStateLength = 4;  // of the tensors in state.h

// A present tensor of a step: [begin, end) of a region.
struct Extent {
  const FieldInfo* field;
  const Tensor* tensor;
  uint64_t begin, end;
  int input;  // its number among the op's inputs; -1: an output
  bool accumulates;

  bool overlaps(const Extent& other) const {
    return tensor->region == other.tensor->region && begin < other.end && other.begin < end;
  }
  bool same(const Extent& other) const { return begin == other.begin && end == other.end; }
  bool writes() const { return field->role != FieldRole::kInput; }
};

class StepVerifier {
 public:
  StepVerifier(const Program& program, size_t index) : program_(program), index_(index), step_(program.steps[index]) {}

  void run() {
    if (step_.op >= op_table().size()) fail("op", "code " + std::to_string(step_.op) + " is no op's");
    info_ = &op_table()[step_.op];
    int inputs = 0;
    for (const FieldInfo& field : info_->fields) {
      switch (field.role) {
        case FieldRole::kInput:
        case FieldRole::kMutated:
          tensor(field, inputs++);
          break;
        case FieldRole::kOutput:
          tensor(field, -1);
          break;
        case FieldRole::kAccumulate:
          choice(field, "accumulate flag");
          if (at<int32_t>(field) == 1) accumulates(field);
          break;
        case FieldRole::kEnum:
          choice(field, "value");
          if (named(field, "precision")) stored_as(field);
          break;
        case FieldRole::kDims:
          dims(field, at<Dims>(field).rank, at<Dims>(field).d);
          break;
        case FieldRole::kInt:
          slot(field);
          break;
        case FieldRole::kFloat:
        case FieldRole::kTape:
          break;
      }
    }
    for (size_t i = 0; i < extents_.size(); i++) {
      for (size_t j = i + 1; j < extents_.size(); j++) apart(extents_[i], extents_[j]);
    }
    if (std::strcmp(info_->name, "map") == 0) {
      verify_map(*static_cast<const MapArgs*>(step_.args),
                 [this](const std::string& field, const std::string& what) { fail(field, what); });
    }
  }

 private:
  [[noreturn]] void fail(const std::string& field, const std::string& what) const {
    std::string where = "Program step " + std::to_string(index_);
    if (info_) where += std::string(" (") + info_->name + (step_.scope.empty() ? "" : " in " + step_.scope) + ")";
    throw Error("ERR_PROGRAM", where + ", " + field + ": " + what);
  }

  template <typename T>
  const T& at(const FieldInfo& field) const {
    return *reinterpret_cast<const T*>(static_cast<const char*>(step_.args) + field.offset);
  }

  void choice(const FieldInfo& field, const char* what) const {
    const int32_t value = at<int32_t>(field);
    if (value < 0 || static_cast<uint32_t>(value) >= field.limit) {
      fail(field.name,
           std::string(what) + " " + std::to_string(value) + " is not in 0.." + std::to_string(field.limit - 1));
    }
  }

  // Returns the product of the dimensions.
  int64_t dims(const FieldInfo& field, int32_t rank, const int32_t* d) const {
    if (rank < 0 || rank > kMaxRank) {
      fail(field.name, "rank " + std::to_string(rank) + " is not in 0.." + std::to_string(kMaxRank));
    }
    int64_t size = 1;
    for (int i = 0; i < rank; i++) {
      if (d[i] < 1) fail(field.name, "dimension " + std::to_string(i) + " is " + std::to_string(d[i]));
      if (size > std::numeric_limits<int32_t>::max() / d[i]) {
        fail(field.name, "it has 2^31 elements or more");
      }
      size *= d[i];
    }
    return size;
  }

  void tensor(const FieldInfo& field, int input) {
    const Tensor& t = at<Tensor>(field);
    const auto region = static_cast<uint32_t>(t.region);
    if (region > static_cast<uint32_t>(Region::kScratch))
      fail(field.name, "region " + std::to_string(region) + " does not exist");
    if (!t.present()) {
      if (!field.optional) fail(field.name, "it is required and absent");
      return;
    }
    const auto dtype = static_cast<uint32_t>(t.dtype);
    if (dtype >= kDtypeCount) fail(field.name, "dtype " + std::to_string(dtype) + " does not exist");
    if ((field.dtypes >> dtype & 1) == 0) fail(field.name, std::string("it may not be ") + kDtypeNames[dtype]);
    const uint64_t bytes = static_cast<uint64_t>(dims(field, t.rank, t.dims)) * dtype_bytes(t.dtype);
    if (t.offset % kAlignment != 0) {
      fail(field.name, "offset " + std::to_string(t.offset) + " is not a multiple of " + std::to_string(kAlignment));
    }
    const bool persistent = t.region == Region::kPersistent;
    const uint64_t limit = persistent ? program_.persistent_bytes : program_.scratch_bytes;
    if (t.offset > limit || bytes > limit - t.offset) {
      fail(field.name, std::to_string(bytes) + " bytes at " + std::to_string(t.offset) + " leave the " +
                           (persistent ? "persistent" : "scratch") + " region of " + std::to_string(limit) + " bytes");
    }
    if ((named(field, "state") || named(field, "flag")) && t.size() != kStateLength) {
      fail(field.name, "it has " + std::to_string(t.size()) + " elements, expected " + std::to_string(kStateLength));
    }
    extents_.push_back({&field, &t, t.offset, t.offset + bytes, input, false});
  }

  static bool named(const FieldInfo& field, const char* name) { return std::strcmp(field.name, name) == 0; }

  // Attributes that name a data slot; only the one of the row order may say that there is none.
  void slot(const FieldInfo& field) const {
    const bool order = named(field, "indexSlot");
    if (!order && !named(field, "slot")) return;
    const int32_t value = at<int32_t>(field);
    if (value >= (order ? -1 : 0) && value < kSlots) return;
    fail(field.name, "slot " + std::to_string(value) + " does not exist, slots are 0.." + std::to_string(kSlots - 1));
  }

  // Products of numbers that are stored in bfloat16 are products in bfloat16. Attributes come after tensors.
  void stored_as(const FieldInfo& precision) const {
    if (at<int32_t>(precision) == MatmulArgs::kPrecisionBfloat16) return;
    for (const Extent& extent : extents_) {
      if (extent.tensor->dtype == DType::kBfloat16) fail(extent.field->name, "it is bfloat16 and the precision is not");
    }
  }

  void accumulates(const FieldInfo& flag) {
    for (Extent& extent : extents_) {
      if (extent.field->role != FieldRole::kOutput || !named(*extent.field, flag.name)) continue;
      extent.accumulates = true;
      return;
    }
    fail(flag.name, "it is absent and cannot accumulate");
  }

  // Two tensors of one step: reads may share memory; an output may take over an input's where the op allows it.
  void apart(const Extent& a, const Extent& b) const {
    if (!a.overlaps(b) || (!a.writes() && !b.writes())) return;
    // The one that writes is to blame; of two, an output.
    const bool blame_a = b.field->role == FieldRole::kOutput ? a.field->role == FieldRole::kOutput : a.writes();
    const Extent& output = blame_a ? a : b;
    const Extent& input = blame_a ? b : a;
    const bool permitted = output.field->role == FieldRole::kOutput && input.field->role == FieldRole::kInput &&
                           (output.field->limit >> input.input & 1) != 0 && !output.accumulates &&
                           output.tensor->dtype == input.tensor->dtype && output.same(input);
    if (!permitted) fail(output.field->name, std::string("it overlaps ") + input.field->name);
  }

  const Program& program_;
  const size_t index_;
  const ProgramStep& step_;
  const OpInfo* info_ = nullptr;
  std::vector<Extent> extents_;
};

}  // namespace

void verify(const Program& program) {
  for (size_t i = 0; i < program.steps.size(); i++) StepVerifier(program, i).run();
}

}  // namespace gradstep
