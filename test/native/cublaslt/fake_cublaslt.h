// What the tests may ask of the stand-in for cuBLASLt, by dlsym: that a call of it fails, which one that was, how many
// of its objects are alive, and what algorithms it has.
#pragma once

#include <cublasLt.h>

#include <cstdint>

extern "C" {

// The n-th call from now on, counted from 1, returns this status and does nothing, unless it lets something go; 0: none
// does.
void fake_cublaslt_fail(uint64_t n, cublasStatus_t status);
// Empty: there was none.
const char* fake_cublaslt_failed();
int fake_cublaslt_alive();

// kWrong: the last number is. kRefused: when it is launched. kUnsupported: already when it is proposed. kRough: all
// numbers are a little too large. kBitsOfZeros: relu's bits are set where its result is 0. kOtherBits: the most
// significant bit of a word is the first. kOtherSums: of other columns.
enum FakeResult { kRight, kWrong, kRefused, kUnsupported, kRough, kBitsOfZeros, kOtherBits, kOtherSums };

struct FakeAlgorithm {
  double seconds;  // that a launch takes
  FakeResult result;
};

// The algorithms that it proposes from now on, in this order. At first there is one.
void fake_cublaslt_propose(const FakeAlgorithm* algorithms, int count);
// From now on it has no algorithm for this epilogue; −1: it has some for all of them.
void fake_cublaslt_lack(int epilogue);
// Whether it has algorithms that round operands in float32; at first it has.
void fake_cublaslt_round(bool may);
// What cublasLtGetVersion says.
void fake_cublaslt_version(size_t version);
// Of the products so far: how many there were, how long they took, and which algorithm the last one was made with.
int fake_cublaslt_launches();
double fake_cublaslt_seconds();
int fake_cublaslt_last();
}
