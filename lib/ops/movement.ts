/**
 * The part of `gs.ops` that moves data: other shapes, reordering axes, cutting, padding, joining, repeating. Every function
 * checks its arguments; axes may be negative, counted from the end. What an element becomes is never changed by these, so
 * gradients are the opposite movement.
 */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { boolean, checkOptions, integer, optional, type SchemaOf } from '../options.js';
import { axisOf, floats, integers, list, value } from './arguments.js';
import { concat as concatOf } from './concat.js';
import { cumulativeSum } from './cumulative_sum.js';
import { oneHot as oneHotOf, oneHotOfFloats } from './one_hot.js';
import { pad as padOf, slice as sliceOf, sliceAxis } from './pad.js';
import { broadcastTo as broadcast, elementwise } from './map.js';
import { reshape as reshapeTo } from './reshape.js';
import { reverse as reverseOf } from './reverse.js';
import { transpose as transposeOf } from './transpose.js';

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

/** x with axis `axes[i]` as its axis i. Default: all axes in reverse. ERR_OPTION unless `axes` names each axis once. */
export function transpose(x: Value, axes?: readonly number[]): Value {
  const rank = value('ops.transpose x', x).shape.length;
  if (axes === undefined) return transposeOf(x);
  const expected = `each of the ${rank} axes once`;
  const order = integers('ops.transpose axes', axes, rank, () => true, expected).map((a) =>
    axisOf('ops.transpose axes', a, rank),
  );
  if (new Set(order).size !== rank) throw optionError('ops.transpose axes', expected, axes);
  return transposeOf(x, order);
}

/**
 * The part of x that begins at `begin` and has `size` elements along each axis; a size of −1 reaches to the end. ERR_SHAPE
 * where that leaves x.
 */
export function slice(x: Value, begin: readonly number[], size: readonly number[]): Value {
  const { shape } = value('ops.slice x', x);
  const from = integers('ops.slice begin', begin, shape.length, (n) => n >= 0, `${shape.length} integers >= 0`);
  const wanted = integers('ops.slice size', size, shape.length, (n) => n === -1 || n > 0, `${shape.length} integers > 0 or -1`);
  const sizes = wanted.map((n, i) => (n === -1 ? shape[i]! - from[i]! : n));
  if (sizes.some((n, i) => n < 1 || from[i]! + n > shape[i]!)) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Cannot take ${formatShape(wanted)} from ${formatShape(from)} on of ${formatShape(shape)}`,
    );
  }
  return sliceOf(x, from, sizes);
}

/** x with zeros around it: `paddings` holds [before, after] for each axis. */
export function pad(x: Value, paddings: readonly (readonly [number, number])[]): Value {
  const { shape } = value('ops.pad x', x);
  const pairs: unknown = paddings;
  const valid =
    Array.isArray(pairs) &&
    pairs.length === shape.length &&
    pairs.every((p) => Array.isArray(p) && p.length === 2 && p.every((n) => Number.isInteger(n) && (n as number) >= 0));
  if (!valid) throw optionError('ops.pad paddings', `${shape.length} pairs of integers >= 0`, paddings);
  return padOf(
    x,
    paddings.map(([before]) => before),
    paddings.map(([, after]) => after),
  );
}

/** Values that differ in size along `axis` only, one behind the other. ERR_SHAPE or ERR_DTYPE where they differ otherwise. */
export function concat(values: readonly Value[], axis = 0): Value {
  const given = list('ops.concat values', values);
  return concatOf(given, axisOf('ops.concat axis', axis, given[0]!.shape.length));
}

/** Values of one shape side by side along a new axis. */
export function stack(values: readonly Value[], axis = 0): Value {
  const given = list('ops.stack values', values);
  const at = axisOf('ops.stack axis', axis, given[0]!.shape.length + 1);
  return concatOf(
    given.map((v) => reshapeTo(v, [...v.shape.slice(0, at), 1, ...v.shape.slice(at)])),
    at,
  );
}

/** x cut along an axis: into so many equal parts, or into parts of the given sizes. ERR_SHAPE where they do not make up the axis. */
export function split(x: Value, parts: number | readonly number[], axis = 0): Value[] {
  const { shape } = value('ops.split x', x);
  const at = axisOf('ops.split axis', axis, shape.length);
  const length = shape[at]!;
  const given: unknown = typeof parts === 'number' ? [parts] : parts;
  if (!Array.isArray(given) || given.length === 0 || !given.every((n) => Number.isInteger(n) && (n as number) > 0)) {
    throw optionError('ops.split parts', 'integer > 0 or an array of them', parts);
  }
  const makesUp = typeof parts === 'number' ? length % parts === 0 : parts.reduce((n, s) => n + s, 0) === length;
  if (!makesUp) {
    const what = typeof parts === 'number' ? `${parts} equal parts` : `parts of ${formatShape(parts)}`;
    throw new GradstepError('ERR_SHAPE', `Cannot split axis ${at} of ${formatShape(shape)} into ${what}`);
  }
  const sizes = typeof parts === 'number' ? new Array<number>(parts).fill(length / parts) : parts;
  let begin = 0;
  return sizes.map((size) => {
    begin += size;
    return sliceAxis(x, at, begin - size, begin);
  });
}

/** x with a new axis of size 1 in front of axis `axis`; −1 puts it behind the last. */
export function expandDims(x: Value, axis = 0): Value {
  const { shape } = value('ops.expandDims x', x);
  const at = axisOf('ops.expandDims axis', axis, shape.length + 1);
  return reshapeTo(x, [...shape.slice(0, at), 1, ...shape.slice(at)]);
}

/** x without axes of size 1: the given ones, or all there are. ERR_SHAPE where one is larger. */
export function squeeze(x: Value, axes?: number | readonly number[]): Value {
  const { shape } = value('ops.squeeze x', x);
  const given: unknown =
    axes === undefined ? shape.flatMap((d, i) => (d === 1 ? [i] : [])) : typeof axes === 'number' ? [axes] : axes;
  if (!Array.isArray(given)) throw optionError('ops.squeeze axes', 'integer or an array of them', axes);
  const gone = new Set(given.map((a) => axisOf('ops.squeeze axes', a, shape.length)));
  const kept: Shape = shape.filter((_, i) => !gone.has(i));
  if (sizeOf(kept) !== sizeOf(shape)) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Only axes of size 1 can be squeezed, not ${formatShape([...gone])} of ${formatShape(shape)}`,
    );
  }
  return reshapeTo(x, kept);
}

/**
 * Numbers from 0 to depth − 1 [...] → [..., depth], 1 at the number's place; no gradient. They may be float32, as labels in losses of
 * one's own are. Other numbers give a row of zeros.
 */
export function oneHot(x: Value, depth: number): Value {
  const numbers = value('ops.oneHot x', x);
  if (typeof depth !== 'number' || !Number.isInteger(depth) || depth < 1)
    throw optionError('ops.oneHot depth', 'integer > 0', depth);
  return numbers.dtype === 'int32' ? oneHotOf(numbers, depth) : oneHotOfFloats(numbers, depth);
}

/** Options of running sums. */
export interface CumsumOptions {
  /** Whether an element's own value is left out of its sum. Default false. */
  exclusive?: boolean;
  /** Whether sums run from the axis' end. Default false. */
  reverse?: boolean;
}

const cumsumOptions = {
  exclusive: optional(boolean, false),
  reverse: optional(boolean, false),
} satisfies SchemaOf<CumsumOptions>;

/** Running sums along an axis: y[i] = Σ x[j] over j <= i. */
export function cumsum(x: Value, axis = 0, options?: CumsumOptions): Value {
  const { exclusive, reverse } = checkOptions('ops.cumsum', options, cumsumOptions);
  return cumulativeSum(floats('ops.cumsum x', x), axisOf('ops.cumsum axis', axis, x.shape.length), exclusive, reverse);
}

/** The elements along an axis, `inner` of them one unit, each `times` times in a row. */
function repeated(x: Value, axis: number, inner: number, times: number): Value {
  const units = sizeOf(x.shape.slice(0, axis + 1)) / inner;
  const unit = sizeOf(x.shape) / units;
  const all = broadcast(reshapeTo(x, [units, 1, unit]), [units, times, unit]);
  return reshapeTo(all, x.shape.with(axis, x.shape[axis]! * times));
}

/** x repeated whole: `reps` times along each axis. */
export function tile(x: Value, reps: readonly number[]): Value {
  const { length: rank } = floats('ops.tile x', x).shape;
  const times = integers('ops.tile reps', reps, rank, (n) => n > 0, `${rank} integers > 0`);
  return times.reduce((y, n, axis) => (n === 1 ? y : repeated(y, axis, y.shape[axis]!, n)), x);
}

/** Each element of x along an axis `repeats` times in a row. */
export function repeat(x: Value, repeats: number, axis = 0): Value {
  const { length: rank } = floats('ops.repeat x', x).shape;
  return repeated(x, axisOf('ops.repeat axis', axis, rank), 1, integer(1)(repeats, 'ops.repeat repeats'));
}

/** x from the last to the first along axes; by default along all of them. */
export function reverse(x: Value, axis?: number | readonly number[]): Value {
  const { length: rank } = value('ops.reverse x', x).shape;
  const given: unknown = axis === undefined ? x.shape.map((_, i) => i) : typeof axis === 'number' ? [axis] : axis;
  if (!Array.isArray(given)) throw optionError('ops.reverse axis', 'integer or an array of them', axis);
  const axes = new Set(given.map((a) => axisOf('ops.reverse axis', a, rank)));
  return [...axes].reduce(reverseOf, x);
}
