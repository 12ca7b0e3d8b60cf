/**
 * The namespace `gs.ops`: arithmetic on values, for losses, metrics and activations of a user's own. Nothing is computed
 * when these are called; they describe a graph, which is differentiated and compiled. Shapes broadcast as in NumPy. Arithmetic and
 * comparisons are in float32, also of int32, of which they keep numbers up to 2^24 exactly; what moves, picks or counts numbers
 * (concat, slice, transpose …) keeps all.
 */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { boolean, checkOptions, optional, type Check, type SchemaOf } from '../options.js';
import { argmax as argmaxOf } from './argmax.js';
import { floats, value } from './arguments.js';
import { logSoftmax as logSoftmaxOf } from './log_softmax.js';
import { multiply } from './batch_matmul.js';
import { broadcastTo as broadcast, elementwise } from './map.js';
import { extremum } from './reduce_max.js';
import { mean as meanOf, sum as sumOf } from './reduce_sum.js';
import { reshape as reshapeTo } from './reshape.js';
import type { ScalarName } from './scalar_table.js';
import { softmax as softmaxOf } from './softmax.js';
import { stopGradient as stopped } from './stop_gradient.js';

export type { Value } from '../graph/graph.js';
export { randomNormal, randomUniform, type RandomNormalOptions, type RandomUniformOptions } from './draws.js';
export { concat, cumsum, expandDims, oneHot, pad, slice, split, squeeze, stack, transpose } from './movement.js';

/** A value or a number. */
export type Operand = Value | number;

/** Options of reductions. */
export interface ReduceOptions {
  /** Axes to reduce over, negative ones from the end. Default: all. */
  axis?: number | readonly number[];
  /** Whether reduced axes stay, with size 1. Default false. */
  keepDims?: boolean;
}

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

const axes: Check<readonly number[] | undefined> = (given, name) => {
  if (given === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (!list.every((a) => Number.isInteger(a))) throw optionError(name, 'integer or an array of them', given);
  return list as number[];
};

const reduceOptions = { axis: axes, keepDims: optional(boolean, false) } satisfies SchemaOf<ReduceOptions>;

/** The axes of a reduction of x, each of which is to be named once. */
function reduction(
  name: string,
  x: Value,
  options: ReduceOptions | undefined,
): [axes: readonly number[] | undefined, keepDims: boolean] {
  const { length: rank } = floats(`ops.${name} x`, x).shape;
  const { axis, keepDims } = checkOptions(`ops.${name}`, options, reduceOptions);
  if (axis && new Set(axis.map((a) => (a < 0 ? a + rank : a))).size < axis.length) {
    throw optionError(`ops.${name}.axis`, 'each axis once', axis);
  }
  return [axis, keepDims];
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

/** a^b for a > 0. */
export function pow(a: Operand, b: Operand): Value {
  return apply('pow', a, b);
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

/** Σ x over axes. */
export function sum(x: Value, options?: ReduceOptions): Value {
  return sumOf(x, ...reduction('sum', x, options));
}

/** Mean of x over axes. */
export function mean(x: Value, options?: ReduceOptions): Value {
  return meanOf(x, ...reduction('mean', x, options));
}

/** The same elements under another shape of as many; ERR_SHAPE otherwise. One size may be −1: what is left for it. */
export function reshape(x: Value, shape: Shape): Value {
  const given = value('ops.reshape x', x);
  const sizes = checkShape('ops.reshape shape', shape, (n) => n > 0 || n === -1, 'array of integers > 0, one of which may be -1');
  const known = sizeOf(sizes.filter((n) => n !== -1));
  if (sizes.filter((n) => n === -1).length > 1) throw optionError('ops.reshape shape', 'at most one -1', shape);
  return reshapeTo(
    given,
    sizes.map((n) => (n === -1 ? Math.floor(sizeOf(given.shape) / known) : n)),
  );
}

function checkShape(name: string, shape: unknown, accepts: (n: number) => boolean, expected: string): number[] {
  const valid = Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && accepts(n as number));
  if (!valid) throw optionError(name, expected, shape);
  return shape as number[];
}

/**
 * x repeated along axes of size 1, and new ones in front, until it has `shape`; ERR_SHAPE where that does not make it. Whole numbers
 * become float32.
 */
export function broadcastTo(x: Value, shape: Shape): Value {
  const given = value('ops.broadcastTo x', x);
  const wanted = checkShape('ops.broadcastTo shape', shape, (n) => n > 0, 'array of integers > 0');
  const lead = wanted.length - given.shape.length;
  if (lead < 0 || given.shape.some((d, i) => d !== 1 && d !== wanted[lead + i])) {
    throw new GradstepError('ERR_SHAPE', `Cannot broadcast ${formatShape(given.shape)} to ${formatShape(wanted)}`);
  }
  return broadcast(given.dtype === 'float32' ? given : elementwise('identity', given), wanted);
}

/** Options of matrix products. */
export interface MatmulOptions {
  /** Whether the last two axes of a are swapped. Default false. */
  transposeA?: boolean;
  /** Whether the last two axes of b are swapped. Default false. */
  transposeB?: boolean;
}

const matmulOptions = {
  transposeA: optional(boolean, false),
  transposeB: optional(boolean, false),
} satisfies SchemaOf<MatmulOptions>;

/**
 * Product of matrices over the last two axes: [..., m, k]·[..., k, n] → [..., m, n]. The axes before them broadcast.
 * ERR_SHAPE where sizes do not match.
 */
export function matmul(a: Value, b: Value, options?: MatmulOptions): Value {
  const { transposeA, transposeB } = checkOptions('ops.matmul', options, matmulOptions);
  return multiply(floats('ops.matmul a', a), floats('ops.matmul b', b), transposeA, transposeB);
}

/** The largest element over axes; the gradient goes to the first of equals. */
export function max(x: Value, options?: ReduceOptions): Value {
  return extremum(x, 'max', ...reduction('max', x, options));
}

/** The smallest element over axes; the gradient goes to the first of equals. */
export function min(x: Value, options?: ReduceOptions): Value {
  return extremum(x, 'min', ...reduction('min', x, options));
}

/** e^x / Σ e^x over the last axis. */
export function softmax(x: Value): Value {
  return softmaxOf(floats('ops.softmax x', x));
}

/** x − log Σ e^x over the last axis: the logarithm of softmax. */
export function logSoftmax(x: Value): Value {
  return logSoftmaxOf(floats('ops.logSoftmax x', x));
}

/** Position of the largest element along the last axis (int32), the first of equals; no gradient. */
export function argmax(x: Value): Value {
  return argmaxOf(floats('ops.argmax x', x));
}

/** x as a constant: no gradient goes back through it, first or second. Straight-through: `add(x, stopGradient(sub(rounded, x)))`. */
export function stopGradient(x: Value): Value {
  return stopped(value('ops.stopGradient x', x));
}
