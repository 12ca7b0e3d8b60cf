// What the tests may ask of the stand-in for cuBLASLt, by dlsym: that a call of it fails, which one that was, and how
// many of its objects are alive.
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
}
