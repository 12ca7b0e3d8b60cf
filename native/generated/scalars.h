// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

// X(code, function, number of operands) for every scalar function a map can evaluate; formulas: native/ops/scalar.h.
#define GRADSTEP_SCALARS(X) \
  X(0, identity, 1) \
  X(1, add, 2) \
  X(2, sub, 2) \
  X(3, mul, 2) \
  X(4, div, 2) \
  X(5, neg, 1) \
  X(6, abs, 1) \
  X(7, sign, 1) \
  X(8, square, 1) \
  X(9, sqrt, 1) \
  X(10, exp, 1) \
  X(11, log, 1) \
  X(12, pow, 2) \
  X(13, maximum, 2) \
  X(14, minimum, 2) \
  X(15, relu, 1) \
  X(16, step, 1) \
  X(17, sigmoid, 1) \
  X(18, tanh, 1) \
  X(19, softplus, 1) \
  X(20, floor, 1) \
  X(21, equal, 2) \
  X(22, not_equal, 2) \
  X(23, less, 2) \
  X(24, less_equal, 2) \
  X(25, greater, 2) \
  X(26, greater_equal, 2) \
  X(27, where, 3) \
  X(28, expm1, 1) \
  X(29, log1p, 1) \
  X(30, erf, 1) \
  X(31, sin, 1) \
  X(32, cos, 1) \
  X(33, gelu, 1) \
  X(34, gelu_slope, 1)
