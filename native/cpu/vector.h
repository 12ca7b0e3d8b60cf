// Loops that several kernels share, compiled for each instruction set. Sums run in 16 fixed lanes, so their bits depend
// on nothing but the data.
#pragma once

#include "core/program.h"
#include "cpu/parallel.h"

namespace gradstep::cpu {

double sum(const float* x, int64_t n);
double sum(const uint16_t* x, int64_t n);               // of bfloat16
double dot(const float* x, const float* y, int64_t n);  // products and sums in float64
void fill(float* y, float value, int64_t n);
void add(float* y, const float* x, int64_t n);     // y += x
void add(float* y, const uint16_t* x, int64_t n);  // x in bfloat16
void scale(float* y, float factor, int64_t n);     // y *= factor
// Elements `offset`… of an array of `dtype`, `stride` elements apart, as float32.
void load(float* y, const void* data, DType dtype, int64_t offset, int64_t stride, int64_t n);

}  // namespace gradstep::cpu
