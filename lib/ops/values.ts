/** The part of `gs.ops` that makes new values, and values of another kind: filled ones, numbers in a row, casts, constants. */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { float32, oneOf, shape as shapeOption } from '../options.js';
import { floats, value } from './arguments.js';
import { cumulativeSum } from './cumulative_sum.js';
import { constant, elementwise } from './map.js';
import { stopGradient as stopped } from './stop_gradient.js';
import { toInt32 } from './to_int32.js';

/** x as a constant: no gradient goes back through it, first or second. Straight-through: `add(x, stopGradient(sub(rounded, x)))`. */
export function stopGradient(x: Value): Value {
  return stopped(value('ops.stopGradient x', x));
}

/**
 * x in another type. Floats become whole numbers (int32) by what stands before the point, as in C and NumPy: −1.7 becomes −1; beyond
 * int32 the nearest number that it holds, and NaN becomes 0. Whole numbers become float32, which holds them exactly up to 2^24.
 * No gradient goes through int32.
 */
export function cast(x: Value, dtype: 'float32' | 'int32'): Value {
  const given = value('ops.cast x', x);
  const wanted = oneOf(['float32', 'int32'])(dtype, 'ops.cast dtype');
  if (given.dtype === wanted) return given;
  return wanted === 'float32' ? elementwise('identity', given) : toInt32(floats('ops.cast x', given));
}

/** A value of one number (float32) in a shape, described where `like` is, of which nothing else counts. */
export function fill(like: Value, shape: readonly number[], number: number): Value {
  const { graph } = value('ops.fill like', like);
  return constant(graph, float32()(number, 'ops.fill number'), shapeOption(shape, 'ops.fill shape'));
}

/** Zeros in the shape of x. */
export function zerosLike(x: Value): Value {
  const { graph, shape } = value('ops.zerosLike x', x);
  return constant(graph, 0, shape);
}

/** Ones in the shape of x. */
export function onesLike(x: Value): Value {
  const { graph, shape } = value('ops.onesLike x', x);
  return constant(graph, 1, shape);
}

/**
 * start, start + step, … as far as below `stop` (above it where `step` is negative): float32 [n], described where `like` is, of which
 * nothing else counts. `ops.cast` makes int32 of them. ERR_OPTION where there is none.
 */
export function range(like: Value, start: number, stop: number, step = 1): Value {
  const { graph } = value('ops.range like', like);
  const [from, to, by] = [start, stop, step].map((n, i) => float32()(n, `ops.range ${['start', 'stop', 'step'][i]!}`));
  const length = Math.ceil((to! - from!) / by!);
  if (!(length >= 1 && length < Infinity)) {
    const given = `${start} to ${stop} by ${step}`;
    throw new GradstepError('ERR_OPTION', `Expected numbers of which there is at least one for ops.range but received ${given}`);
  }
  const counted = cumulativeSum(constant(graph, 1, [length]), 0, true);
  return elementwise('add', elementwise('mul', counted, by!), from!);
}
