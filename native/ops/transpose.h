// What both backends work out of a transposition's arguments: y's dimensions and, along each, how far x's elements lie
// apart.
#pragma once

#include <cstdint>

#include "generated/args/transpose.h"

namespace gradstep {

struct Permutation {
  int rank;
  int32_t dims[kMaxRank];     // of y
  int64_t strides[kMaxRank];  // in x, of y's axes

  explicit Permutation(const TransposeArgs& args) : rank(args.y.rank) {
    for (int i = 0; i < rank; i++) {
      const int axis = args.order.d[i] - 1;
      dims[i] = args.y.dims[i];
      strides[i] = 1;
      for (int j = axis + 1; j < rank; j++) strides[i] *= args.x.dims[j];
    }
  }

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    return n;
  }

  int64_t stride_in_y(int axis) const {
    int64_t n = 1;
    for (int i = axis + 1; i < rank; i++) n *= dims[i];
    return n;
  }

  // The axis of y that is x's last.
  int place_of_last() const {
    int place = 0;
    while (strides[place] != 1) place++;
    return place;
  }

  // Where the element of x lies whose place in y is `index`, counted over the first `axes` axes.
  int64_t source(int64_t index, int axes) const {
    int64_t at = 0;
    for (int i = axes - 1; i >= 0; i--) {
      at += index % dims[i] * strides[i];
      index /= dims[i];
    }
    return at;
  }

  struct Plane {
    int64_t x, y;
  };

  // Where plane `index` begins: y's last axis and axis `along` span it, the others count the planes.
  Plane plane(int64_t index, int along) const {
    Plane plane{0, 0};
    for (int i = rank - 2; i >= 0; i--) {
      if (i == along) continue;
      const int64_t at = index % dims[i];
      index /= dims[i];
      plane.x += at * strides[i];
      plane.y += at * stride_in_y(i);
    }
    return plane;
  }
};

}  // namespace gradstep
