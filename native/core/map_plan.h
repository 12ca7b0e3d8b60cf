// A map's geometry, worked out once when it is prepared: adjacent dimensions along which every input moves alike are
// joined, broadcast dimensions get stride 0. Shared by the backends. With a row reduction the domain is [rows, length],
// length being the elements summed into each result; without one, `length` is 1 and every element is a row.
#pragma once

#include "core/program.h"
#include "generated/args/map.h"

namespace gradstep {

struct MapPlan {
  int inputs;              // how many of the 8 are present: they are always the first ones
  int outputs;             // likewise
  int rank;                // joined dimensions of the domain, at least 1
  int64_t dims[kMaxRank];  // outermost first
  // In elements; 0 where the input is broadcast. Along the last dimension 0 or 1, and where it is 1, all the others are
  // multiples of that dimension.
  int64_t strides[kMapInputs][kMaxRank];
  int64_t size;    // elements of the domain
  int64_t length;  // elements summed into one result of the first output; 1: no reduction
  bool reduce;

  // Whether input k holds every element of the domain in order, so that it can be read straight through.
  bool contiguous(int k) const;
};

MapPlan plan_map(const MapArgs& args);

}  // namespace gradstep
