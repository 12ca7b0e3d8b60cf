// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep {

constexpr int kMaxRank = 6;
constexpr int kMapInputs = 8;
constexpr int kMapOutputs = 4;
constexpr int kTapeCode = 32;
constexpr int kTapeImmediates = 16;
constexpr int kTapeRegister = 16;
constexpr int kTapeImmediate = 64;

enum class DType : uint32_t { kFloat32, kInt32, kUint8, kFloat64, kBfloat16 };
enum class Region : uint32_t { kNone, kPersistent, kScratch };

struct Dims {
  int32_t rank;
  int32_t d[kMaxRank];
};
static_assert(sizeof(Dims) == 28, "layout");

// Where a tensor lies and what it is. Region kNone: an optional tensor that is absent.
struct Tensor {
  Region region;
  DType dtype;
  uint64_t offset;
  int32_t rank;
  int32_t dims[kMaxRank];

  bool present() const { return region != Region::kNone; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    return n;
  }
};
static_assert(sizeof(Tensor) == 48, "layout");

// The program of a map: see lib/ops/map.ts.
struct Tape {
  int32_t instructions;
  int32_t immediate_count;
  int32_t result_count;
  uint8_t code[kTapeCode][4];
  float immediates[kTapeImmediates];
  int32_t results[kMapOutputs];
};
static_assert(sizeof(Tape) == 220, "layout");

}  // namespace gradstep
