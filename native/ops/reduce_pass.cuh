// How a reduction over the middle one of three axes is cut into blocks of kThreads threads: width x height x depth,
// width neighbours along inner, height along length, depth along outer, each a power of two; so rows, columns and
// everything between use one kernel and read side by side. Threads read four neighbours at a time where inner divides
// by four, or where inner is 1 and length divides by four. Where that gives too few blocks, length is cut into slices
// whose results a second pass reduces. The cut depends on the shape and the device only.
#pragma once

#include <algorithm>

#include "cuda/reduce.h"

namespace gradstep::cuda {

// Along length: a thread takes so many at a time, and a pass so many rounds of these however few blocks it has.
constexpr int kReduceUnroll = 4, kReduceRounds = 4;

struct ReducePass {
  bool wide, along_length;       // whether packs of four are read, and along which axis
  int64_t outer, length, inner;  // in packs, along the axis that is read in packs
  int64_t slices, slice_length;  // the result is [outer, slices, inner]
  int64_t tiles;                 // blocks along inner
  int32_t width, height;

  int32_t depth() const { return kThreads / (width * height); }
  int64_t blocks() const { return tiles * slices * ((outer + depth() - 1) / depth()); }
};

// What a thread of a pass works on: elements `row`, row + height, … of its slice, at i of inner and o of outer, in
// packs.
struct ReducePlace {
  int64_t i, o, slice;
  int32_t row;
  bool inside;

  __device__ explicit ReducePlace(const ReducePass& pass) {
    const int32_t thread = threadIdx.x, plane = pass.width * pass.height;
    const int64_t block = blockIdx.x;
    row = thread % plane / pass.width;
    slice = block / pass.tiles % pass.slices;
    i = block % pass.tiles * pass.width + thread % pass.width;
    o = block / (pass.tiles * pass.slices) * (kThreads / plane) + thread / plane;
    inside = i < pass.inner && o < pass.outer;
  }
};

inline int32_t power_of_two(int64_t wanted, int32_t most) {
  int32_t p = 1;
  while (p < most && p < wanted) p *= 2;
  return p;
}

// A second pass over slices is told that there are no multiprocessors to fill: it is not cut again.
inline ReducePass plan_reduction(int64_t outer, int64_t length, int64_t inner, int multiprocessors) {
  ReducePass pass{};
  pass.along_length = inner == 1 && length % 4 == 0;
  pass.wide = pass.along_length || inner % 4 == 0;
  pass.outer = outer;
  pass.length = pass.along_length ? length / 4 : length;
  pass.inner = pass.wide && !pass.along_length ? inner / 4 : inner;
  pass.width = power_of_two(pass.inner, kWarp);
  pass.height = power_of_two((pass.length + kReduceUnroll - 1) / kReduceUnroll, kThreads / pass.width);
  pass.tiles = (pass.inner + pass.width - 1) / pass.width;
  pass.slices = 1;
  pass.slice_length = pass.length;
  // A second launch takes as long as some rounds of loads.
  if (pass.length <= kReduceRounds * kReduceUnroll * pass.height) return pass;
  const int64_t wanted = (2 * multiprocessors + pass.blocks() - 1) / pass.blocks();
  const int64_t shortest = static_cast<int64_t>(pass.height) * kReduceUnroll * (pass.wide ? 1 : 4);
  const int64_t slices = std::min(wanted, pass.length / shortest);
  if (slices > 1) {
    pass.slice_length = (pass.length + slices - 1) / slices;
    pass.slices = (pass.length + pass.slice_length - 1) / pass.slice_length;
  }
  return pass;
}

}  // namespace gradstep::cuda
