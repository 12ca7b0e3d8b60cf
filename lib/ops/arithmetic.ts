/** The part of `gs.ops` that works element by element. Shapes broadcast as in NumPy; int32 counts as float32. */
import { GradstepError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { value } from './arguments.js';
import { constant, elementwise } from './map.js';
import type { ScalarName } from './scalar_table.js';

/** A value or a number. */
export type Operand = Value | number;

function apply(name: ScalarName, ...operands: Operand[]): Value {
  operands.forEach((o, i) => {
    if (typeof o !== 'number') value(`ops.${name} operand ${i + 1}`, o, 'value or number');
  });
  if (!operands.some((o) => o instanceof Value)) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected at least one value among the operands of ops.${name} but received numbers only`,
    );
  }
  return elementwise(name, ...operands);
}

/** a + b. */
export function add(a: Operand, b: Operand): Value {
  return apply('add', a, b);
}

/** a − b. */
export function sub(a: Operand, b: Operand): Value {
  return apply('sub', a, b);
}

/** a · b, element by element. */
export function mul(a: Operand, b: Operand): Value {
  return apply('mul', a, b);
}

/** a / b. */
export function div(a: Operand, b: Operand): Value {
  return apply('div', a, b);
}

/** −x. */
export function neg(x: Value): Value {
  return apply('neg', x);
}

/** |x|; its gradient at 0 is 0. */
export function abs(x: Value): Value {
  return apply('abs', x);
}

/** −1, 0 or 1; no gradient. */
export function sign(x: Value): Value {
  return apply('sign', x);
}

/** x². */
export function square(x: Value): Value {
  return apply('square', x);
}

/** √x, x >= 0. */
export function sqrt(x: Value): Value {
  return apply('sqrt', x);
}

/** e^x. */
export function exp(x: Value): Value {
  return apply('exp', x);
}

/** Natural logarithm, x > 0. */
export function log(x: Value): Value {
  return apply('log', x);
}

/** e^x − 1, keeping the digits near 0. */
export function expm1(x: Value): Value {
  return apply('expm1', x);
}

/** log(1 + x), keeping the digits near 0; −∞ at −1. */
export function log1p(x: Value): Value {
  return apply('log1p', x);
}

/** The error function, 2/√π ∫ e^−t² dt from 0 to x, in [−1, 1]. */
export function erf(x: Value): Value {
  return apply('erf', x);
}

/** Sine of x in radians, |x| <= 4e8; where neighbouring numbers are 32 and more apart x counts as 0. */
export function sin(x: Value): Value {
  return apply('sin', x);
}

/** Cosine of x in radians, |x| <= 4e8; where neighbouring numbers are 32 and more apart x counts as 0. */
export function cos(x: Value): Value {
  return apply('cos', x);
}

/** a^b for a > 0, and where b is one of the numbers 0, 1, 2, 3, 4 for any a. */
export function pow(a: Operand, b: Operand): Value {
  if (!(a instanceof Value) || typeof b !== 'number') return apply('pow', a, b);
  // As products, whose slopes are finite at 0.
  if (b === 0) return constant(a.graph, 1, a.shape);
  if (b === 1) return apply('identity', a);
  if (b === 2) return square(a);
  if (b === 3) return mul(square(a), a);
  return b === 4 ? square(square(a)) : apply('pow', a, b);
}

/** The larger of a and b; the gradient goes there, to a where they are equal. */
export function maximum(a: Operand, b: Operand): Value {
  return apply('maximum', a, b);
}

/** The smaller of a and b; the gradient goes there, to a where they are equal. */
export function minimum(a: Operand, b: Operand): Value {
  return apply('minimum', a, b);
}

/** max(x, 0). */
export function relu(x: Value): Value {
  return apply('relu', x);
}

/** 1 / (1 + e^−x). */
export function sigmoid(x: Value): Value {
  return apply('sigmoid', x);
}

/** tanh x. */
export function tanh(x: Value): Value {
  return apply('tanh', x);
}

/** log(1 + e^x), without overflow. */
export function softplus(x: Value): Value {
  return apply('softplus', x);
}

/** The largest integer <= x; no gradient. */
export function floor(x: Value): Value {
  return apply('floor', x);
}

/** 1 where a = b, else 0; no gradient. */
export function equal(a: Operand, b: Operand): Value {
  return apply('equal', a, b);
}

/** 1 where a ≠ b, else 0; no gradient. */
export function notEqual(a: Operand, b: Operand): Value {
  return apply('notEqual', a, b);
}

/** 1 where a < b, else 0; no gradient. */
export function less(a: Operand, b: Operand): Value {
  return apply('less', a, b);
}

/** 1 where a <= b, else 0; no gradient. */
export function lessEqual(a: Operand, b: Operand): Value {
  return apply('lessEqual', a, b);
}

/** 1 where a > b, else 0; no gradient. */
export function greater(a: Operand, b: Operand): Value {
  return apply('greater', a, b);
}

/** 1 where a >= b, else 0; no gradient. */
export function greaterEqual(a: Operand, b: Operand): Value {
  return apply('greaterEqual', a, b);
}

/** a where `condition` is not 0, else b; gradients go to the one taken. */
export function where(condition: Value, a: Operand, b: Operand): Value {
  return apply('where', condition, a, b);
}

/** The smallest integer >= x; no gradient. */
export function ceil(x: Value): Value {
  return neg(floor(neg(value('ops.ceil x', x))));
}

/** The nearest integer, of two equally near ones the even one; no gradient. */
export function round(x: Value): Value {
  const below = floor(value('ops.round x', x));
  const part = sub(x, below);
  const even = mul(2, floor(mul(0.5, add(below, 1))));
  return where(equal(part, 0.5), even, floor(add(below, greater(part, 0.5))));
}

/** 1 / x. */
export function reciprocal(x: Value): Value {
  return div(1, value('ops.reciprocal x', x));
}

/** 1 / √x, x > 0. */
export function rsqrt(x: Value): Value {
  return div(1, sqrt(value('ops.rsqrt x', x)));
}

/** (a − b)². */
export function squaredDifference(a: Operand, b: Operand): Value {
  return square(sub(operand('ops.squaredDifference a', a), operand('ops.squaredDifference b', b)));
}

/** x, but at least `min` and at most `max`; the gradient is 0 where x is beyond them. */
export function clipByValue(x: Value, min: Operand, max: Operand): Value {
  const bounds = [operand('ops.clipByValue min', min), operand('ops.clipByValue max', max)] as const;
  return minimum(maximum(value('ops.clipByValue x', x), bounds[0]), bounds[1]);
}

/** 1 where a and b are both not 0, else 0; no gradient. */
export function logicalAnd(a: Operand, b: Operand): Value {
  return apply('mul', truth('logicalAnd', a), truth('logicalAnd', b));
}

/** 1 where a or b is not 0, else 0; no gradient. */
export function logicalOr(a: Operand, b: Operand): Value {
  return apply('maximum', truth('logicalOr', a), truth('logicalOr', b));
}

/** 1 where one of a and b is 0 and the other is not, else 0; no gradient. */
export function logicalXor(a: Operand, b: Operand): Value {
  return apply('notEqual', truth('logicalXor', a), truth('logicalXor', b));
}

/** 1 where x is 0, else 0; no gradient. */
export function logicalNot(x: Value): Value {
  return apply('equal', value('ops.logicalNot x', x), 0);
}

/** 1 where x is NaN, else 0; no gradient. */
export function isNaN(x: Value): Value {
  const given = value('ops.isNaN x', x);
  return apply('notEqual', given, given);
}

/** The largest number that float32 holds. */
const LARGEST = 3.4028234663852886e38;

/** 1 where x is neither NaN nor infinite, else 0; no gradient. */
export function isFinite(x: Value): Value {
  return apply('lessEqual', abs(value('ops.isFinite x', x)), LARGEST);
}

function operand(what: string, x: unknown): Operand {
  return typeof x === 'number' ? x : value(what, x, 'value or number');
}

function truth(name: string, x: Operand): Operand {
  if (typeof x === 'number') return x !== 0 ? 1 : 0;
  return apply('notEqual', operand(`ops.${name} operand`, x), 0);
}
