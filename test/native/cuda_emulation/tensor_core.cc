// The last lane of a warp to arrive does the work of all: it puts the matrices together from the lanes' registers,
// multiplies, and hands the results out. The layouts are the PTX ISA's, element for element.
#include "tensor_core.h"

#include <algorithm>
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

// Terms that a device adds up at a time: a sum of exact products and of what there was, all of them cut off where the
// largest has the last bit that is kept.
constexpr int kAtATime[] = {4, 8};  // in TF32, in bfloat16
constexpr int kKeptBits = 24;       // below the largest term's first

// c[j] += the products' sum, rounded towards zero, as tensor cores of compute capability 8.0 do (Fasi et al. 2021,
// "Numerical behavior of NVIDIA tensor cores"); later ones keep some bits more.
template <int kTerms>
void add_products(const float (&a)[kTerms], const float (&b)[kTerms][kColumns], float (&c)[kColumns]) {
  float terms[kTerms + 1][kColumns], largest[kColumns], plain[kColumns];
  for (int j = 0; j < kColumns; j++) {
    terms[kTerms][j] = plain[j] = c[j];
    largest[j] = std::fabs(c[j]);
  }
  for (int k = 0; k < kTerms; k++) {
    for (int j = 0; j < kColumns; j++) {
      terms[k][j] = a[k] * b[k][j];  // exact
      plain[j] += terms[k][j];
      largest[j] = std::fmax(largest[j], std::fabs(terms[k][j]));
    }
  }
  for (int j = 0; j < kColumns; j++) {
    // Where units of the last kept bit are no normal numbers, or nothing is finite, it does not matter.
    if (!(largest[j] > 1e-25f && largest[j] < 1e30f && std::isfinite(plain[j]))) {
      c[j] = plain[j];
      continue;
    }
    const uint32_t exponent = to_bits(largest[j]) >> 23;
    const float unit = from_bits((exponent - kKeptBits) << 23),
                per_unit = from_bits((254 - exponent + kKeptBits) << 23);
    int32_t sum = 0;
    for (int k = 0; k <= kTerms; k++) sum += static_cast<int32_t>(terms[k][j] * per_unit);
    const uint32_t size = static_cast<uint32_t>(sum < 0 ? -sum : sum);
    const int beyond = size == 0 ? 0 : std::max(0, 8 - __builtin_clz(size));  // bits that a float32 does not hold
    const float rounded = static_cast<float>(size >> beyond << beyond) * unit;
    c[j] = sum < 0 ? -rounded : rounded;
  }
}

// kPerWord 2: bfloat16, 16 deep; 1: TF32, 8 deep.
template <int kPerWord>
void multiply(void* const (&brought)[kWarp]) {
  constexpr int kTerms = kAtATime[kPerWord - 1], kParts = 8 * kPerWord / kTerms;
  constexpr int kDepth = 8 * kPerWord;
  float a[kRows][kParts][kTerms], b[kParts][kTerms][kColumns], c[kRows][kColumns];
  for (int lane = 0; lane < kWarp; lane++) {
    const Operands& own = *static_cast<const Operands*>(brought[lane]);
    const int group = lane / 4, in_group = lane % 4;
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < kPerWord; j++) {
        const int k = i / 2 * (kDepth / 2) + in_group * kPerWord + j;
        a[group + i % 2 * 8][k / kTerms][k % kTerms] = number<kPerWord>(own.a[i], j);
      }
    }
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < kPerWord; j++) {
        const int k = i * (kDepth / 2) + in_group * kPerWord + j;
        b[k / kTerms][k % kTerms][group] = number<kPerWord>(own.b[i], j);
      }
    }
    for (int j = 0; j < 2; j++) {
      c[group][2 * in_group + j] = own.upper[j];
      c[group + 8][2 * in_group + j] = own.lower[j];
    }
  }
  for (int i = 0; i < kRows; i++) {
    for (int part = 0; part < kParts; part++) add_products(a[i][part], b[part], c[i]);
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
  need_ampere("multiplies bfloat16", {file, line});
  Operands own{upper, lower, a, {b0, b1}};
  together(multiply<2>, &own, {file, line});
}

void mma_tf32(float (&upper)[2], float (&lower)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const char* file,
              int line) {
  need_ampere("multiplies TF32", {file, line});
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
