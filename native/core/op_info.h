// What the verifier knows of each op: its fields, their place in the argument struct, what may lie in them.
#pragma once

#include <cstdint>
#include <vector>

namespace gradstep {

enum class FieldRole { kInput, kMutated, kOutput, kAccumulate, kInt, kFloat, kEnum, kDims, kTape };

struct FieldInfo {
  const char* name;
  FieldRole role;
  uint32_t offset;  // in the argument struct
  uint32_t dtypes;  // tensors: bit d is set where DType d is allowed
  bool optional;    // tensors: may be absent
  uint32_t limit;   // outputs: bit i is set where input i's memory may be taken over; enums, flags: number of values
};

struct OpInfo {
  const char* name;
  uint32_t bytes;  // of the argument struct
  std::vector<FieldInfo> fields;
};

// Indexed by op code.
const std::vector<OpInfo>& op_table();

}  // namespace gradstep
