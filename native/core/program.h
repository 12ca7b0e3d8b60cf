// A program as it arrives from lib/compile/encode.ts: steps over two regions, in execution order. `parse` copies the
// bytes and checks their framing; `verify` (verify.h) checks every tensor, so that kernels can trust their arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generated/tensor.h"

namespace gradstep {

struct ProgramStep {
  uint32_t op;
  const void* args;  // the op's argument struct, inside Program::bytes
  std::string scope;
};

struct Program {
  uint64_t persistent_bytes;
  uint64_t scratch_bytes;
  std::vector<ProgramStep> steps;
  std::vector<uint64_t> storage;  // holds every argument struct, 8-byte aligned

  Program() = default;
  Program(Program&&) = default;
  Program& operator=(Program&&) = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
};

// Throws Error ERR_PROGRAM when the bytes are not a program of this op table.
Program parse_program(const void* data, size_t bytes);

inline uint64_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kBfloat16:
      return 2;
    case DType::kUint8:
      return 1;
    case DType::kFloat64:
      return 8;
  }
  return 0;
}

}  // namespace gradstep
