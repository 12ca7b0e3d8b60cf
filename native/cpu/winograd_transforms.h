// The transforms of Winograd's F(4 x 4, 3 x 3) (see winograd.h) on vectors of channels: in one direction, at the points
// 0, +-kA, +-kB and infinity, and in both. Inlined where they are used, for the instruction set that is compiled there.
#pragma once

#include "cpu/lanes.h"

namespace gradstep::cpu::winograd {

constexpr float kA = 0.625f, kB = 1.5f;  // exact, as are their products below
constexpr float kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB;

// Values of a patch's polynomial: B^T d.
template <typename V>
GRADSTEP_INLINE void evaluate(const V d[6], V v[6]) {
  const V ea = d[4] - kB2 * d[2], oa = kA * (d[3] - kB2 * d[1]);
  const V eb = d[4] - kA2 * d[2], ob = kB * (d[3] - kA2 * d[1]);
  v[0] = kA2 * kB2 * d[0] + (d[4] - (kA2 + kB2) * d[2]);
  v[1] = ea + oa;
  v[2] = ea - oa;
  v[3] = eb + ob;
  v[4] = eb - ob;
  v[5] = kA2 * kB2 * d[1] + (d[5] - (kA2 + kB2) * d[3]);
}

// Back to four results: A^T m.
template <typename V>
GRADSTEP_INLINE void interpolate(const V m[6], V y[4]) {
  const V sa = m[1] + m[2], da = m[1] - m[2], sb = m[3] + m[4], db = m[3] - m[4];
  y[0] = m[0] + sa + sb;
  y[1] = kA * da + kB * db;
  y[2] = kA2 * sa + kB2 * sb;
  y[3] = kA3 * da + kB3 * db + m[5];
}

// Its transpose, of a gradient: A y.
template <typename V>
GRADSTEP_INLINE void interpolate_back(const V y[4], V m[6]) {
  const V ea = y[0] + kA2 * y[2], oa = kA * y[1] + kA3 * y[3];
  const V eb = y[0] + kB2 * y[2], ob = kB * y[1] + kB3 * y[3];
  m[0] = y[0];
  m[1] = ea + oa;
  m[2] = ea - oa;
  m[3] = eb + ob;
  m[4] = eb - ob;
  m[5] = y[3];
}

// 1 / product of the distances of a point to the others.
constexpr float kN0 = 1 / (kA2 * kB2), kNa = 1 / (2 * kA2 * (kA2 - kB2)), kNb = 1 / (2 * kB2 * (kB2 - kA2));

// A kernel's three taps at the points, divided by those distances: G w.
template <typename V>
GRADSTEP_INLINE void evaluate_taps(const V w[3], V u[6]) {
  const V ea = kNa * (w[0] + kA2 * w[2]), oa = kNa * kA * w[1];
  const V eb = kNb * (w[0] + kB2 * w[2]), ob = kNb * kB * w[1];
  u[0] = kN0 * w[0];
  u[1] = ea + oa;
  u[2] = ea - oa;
  u[3] = eb + ob;
  u[4] = eb - ob;
  u[5] = w[2];
}

// Its transpose: G^T u.
template <typename V>
GRADSTEP_INLINE void evaluate_taps_back(const V u[6], V w[3]) {
  const V sa = kNa * (u[1] + u[2]), sb = kNb * (u[3] + u[4]);
  w[0] = kN0 * u[0] + sa + sb;
  w[1] = kNa * kA * (u[1] - u[2]) + kNb * kB * (u[3] - u[4]);
  w[2] = kA2 * sa + kB2 * sb + u[5];
}

// Both directions of a transform from kFrom x kFrom to kTo x kTo vectors.
template <typename V, int kFrom, int kTo, typename Transform, typename Load, typename Store>
GRADSTEP_INLINE void both_ways(Transform transform, Load load, Store store) {
  V half[kFrom][kTo];  // [row][point along it]
#pragma GCC unroll 6
  for (int r = 0; r < kFrom; r++) {
    V d[kFrom];
#pragma GCC unroll 6
    for (int c = 0; c < kFrom; c++) d[c] = load(r, c);
    transform(d, half[r]);
  }
#pragma GCC unroll 6
  for (int c = 0; c < kTo; c++) {
    V d[kFrom], v[kTo];
#pragma GCC unroll 6
    for (int r = 0; r < kFrom; r++) d[r] = half[r][c];
    transform(d, v);
#pragma GCC unroll 6
    for (int r = 0; r < kTo; r++) store(r, c, v[r]);
  }
}

}  // namespace gradstep::cpu::winograd
