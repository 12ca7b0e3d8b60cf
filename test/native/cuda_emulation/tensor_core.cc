// The last lane of a warp to arrive does the work of all: it puts the matrices together from the lanes' registers,
// multiplies, and hands the results out. The layouts are the PTX ISA's, element for element.
#include "tensor_core.h"

#include <cmath>
#include <cstring>

namespace emulation {
namespace {

constexpr int kRows = 16, kColumns = 8;

// What a lane brings to a product.
struct Operands {
  float *upper, *lower;
  const uint32_t* a;
  uint32_t b[2];
};

float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Number `i` of the kPerWord in a register.
template <int kPerWord>
float number(uint32_t word, int i) {
  if (kPerWord == 2) return from_bits(i == 0 ? word << 16 : word & 0xffff0000u);
  return from_bits(word & 0xffffe000u);  // a device reads the upper 19 bits
}

// kPerWord 2: bfloat16, 16 deep; 1: TF32, 8 deep.
template <int kPerWord>
void multiply(void* const (&brought)[kWarp]) {
  constexpr int kDepth = 8 * kPerWord;
  float a[kRows][kDepth], b[kDepth][kColumns], c[kRows][kColumns];
  for (int lane = 0; lane < kWarp; lane++) {
    const Operands& own = *static_cast<const Operands*>(brought[lane]);
    const int group = lane / 4, in_group = lane % 4;
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < kPerWord; j++) {
        a[group + i % 2 * 8][i / 2 * (kDepth / 2) + in_group * kPerWord + j] = number<kPerWord>(own.a[i], j);
      }
    }
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < kPerWord; j++) {
        b[i * (kDepth / 2) + in_group * kPerWord + j][group] = number<kPerWord>(own.b[i], j);
      }
    }
    for (int j = 0; j < 2; j++) {
      c[group][2 * in_group + j] = own.upper[j];
      c[group + 8][2 * in_group + j] = own.lower[j];
    }
  }
  for (int i = 0; i < kRows; i++) {
    for (int k = 0; k < kDepth; k++) {
      for (int j = 0; j < kColumns; j++) c[i][j] += a[i][k] * b[k][j];
    }
  }
  for (int lane = 0; lane < kWarp; lane++) {
    const Operands& own = *static_cast<const Operands*>(brought[lane]);
    for (int j = 0; j < 2; j++) {
      own.upper[j] = c[lane / 4][2 * (lane % 4) + j];
      own.lower[j] = c[lane / 4 + 8][2 * (lane % 4) + j];
    }
  }
}

// What a lane brings to ldmatrix: where a row begins, and what it gets.
struct Row {
  const unsigned char* begin;
  uint32_t* block;
};

void load(void* const (&brought)[kWarp]) {
  for (int lane = 0; lane < kWarp; lane++) {
    for (int i = 0; i < 4; i++) {
      const Row& from = *static_cast<const Row*>(brought[8 * i + lane / 4]);
      memcpy(&static_cast<const Row*>(brought[lane])->block[i], from.begin + lane % 4 * 4, 4);
    }
  }
}

void load_transposed(void* const (&brought)[kWarp]) {
  for (int lane = 0; lane < kWarp; lane++) {
    for (int i = 0; i < 4; i++) {
      uint16_t pair[2];
      for (int j = 0; j < 2; j++) {
        const Row& from = *static_cast<const Row*>(brought[8 * i + lane % 4 * 2 + j]);
        memcpy(&pair[j], from.begin + lane / 4 * 2, 2);
      }
      memcpy(&static_cast<const Row*>(brought[lane])->block[i], pair, 4);
    }
  }
}

void load_rows(WarpWork work, uint32_t (&block)[4], const void* row, Site site) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) fail_thread("ldmatrix of a row that does not divide by 16", site);
  Row own{static_cast<const unsigned char*>(row), block};
  together(work, &own, site);
}

}  // namespace

void mma_bfloat16(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                  const char* file, int line) {
  Operands own{upper, lower, a, {b0, b1}};
  together(multiply<2>, &own, {file, line});
}

void mma_tf32(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const char* file,
              int line) {
  Operands own{upper, lower, a, {b0, b1}};
  together(multiply<1>, &own, {file, line});
}

void ldmatrix(uint32_t (&block)[4], const void* row, const char* file, int line) {
  load_rows(load, block, row, {file, line});
}

void ldmatrix_transposed(uint32_t (&block)[4], const void* row, const char* file, int line) {
  load_rows(load_transposed, block, row, {file, line});
}

void trap(const char* file, int line) { fail_thread("trap", {file, line}); }

uint32_t round_to_bfloat16s(float low, float high) {
  const auto rounded = [](float x) {
    const uint32_t bits = to_bits(x);
    return std::isnan(x) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  };
  return rounded(high) << 16 | rounded(low);
}

uint32_t round_to_tf32(float x) { return std::isnan(x) ? 0x7fffffffu : (to_bits(x) + 0x1000u) & 0xffffe000u; }

}  // namespace emulation
