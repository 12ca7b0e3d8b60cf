/** The part of `gs.ops` that makes one number of many along axes. */
import { optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { boolean, checkOptions, optional, type Check, type SchemaOf } from '../options.js';
import { axesOver, axisOf, floats } from './arguments.js';
import { elementwise } from './map.js';
import { sliceAxis } from './pad.js';
import { extremum } from './reduce_max.js';
import { mean as meanOf, sum as sumOf } from './reduce_sum.js';
import { reshape } from './reshape.js';
import { stopGradient } from './stop_gradient.js';

/** Options of reductions. */
export interface ReduceOptions {
  /** Axes to reduce over, negative ones from the end. Default: all. */
  axis?: number | readonly number[];
  /** Whether reduced axes stay, with size 1. Default false. */
  keepDims?: boolean;
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
  const over = axis?.map((a) => axisOf(`ops.${name}.axis`, a, rank));
  if (new Set(over).size < (over?.length ?? 0)) throw optionError(`ops.${name}.axis`, 'each axis once', axis);
  return [over, keepDims];
}

/** Σ x over axes. */
export function sum(x: Value, options?: ReduceOptions): Value {
  return sumOf(x, ...reduction('sum', x, options));
}

/** Mean of x over axes. */
export function mean(x: Value, options?: ReduceOptions): Value {
  return meanOf(x, ...reduction('mean', x, options));
}

/** The largest element over axes; the gradient goes to the first of equals. */
export function max(x: Value, options?: ReduceOptions): Value {
  return extremum(x, 'max', ...reduction('max', x, options));
}

/** The smallest element over axes; the gradient goes to the first of equals. */
export function min(x: Value, options?: ReduceOptions): Value {
  return extremum(x, 'min', ...reduction('min', x, options));
}

/** 1 where any element over axes is not 0, else 0; no gradient. */
export function any(x: Value, options?: ReduceOptions): Value {
  const over = reduction('any', x, options);
  return extremum(elementwise('notEqual', x, 0), 'max', ...over);
}

/** 1 where all elements over axes are not 0, else 0; no gradient. */
export function all(x: Value, options?: ReduceOptions): Value {
  const over = reduction('all', x, options);
  return extremum(elementwise('notEqual', x, 0), 'min', ...over);
}

/** Mean and variance. */
export type Moments = {
  mean: Value;
  variance: Value;
};

/** The value without the given axes, which have size 1. */
function without(x: Value, axes: readonly number[], keepDims: boolean): Value {
  return keepDims
    ? x
    : reshape(
        x,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
}

/** Mean of x over axes, and the mean of its squared distances to it. */
export function moments(x: Value, options?: ReduceOptions): Moments {
  const [axis, keepDims] = reduction('moments', x, options);
  const axes = [...axesOver(x.shape.length, axis)];
  const center = meanOf(x, axes, true);
  const variance = meanOf(elementwise('square', elementwise('sub', x, center)), axes, keepDims);
  return { mean: without(center, axes, keepDims), variance };
}

/** Mean of the squared distances of x to its mean, over axes. */
export function variance(x: Value, options?: ReduceOptions): Value {
  reduction('variance', x, options);
  return moments(x, options).variance;
}

/** √ of the variance; its gradient is not finite where the variance is 0. */
export function std(x: Value, options?: ReduceOptions): Value {
  reduction('std', x, options);
  return elementwise('sqrt', moments(x, options).variance);
}

/** log Σ e^x over axes, without overflow; −∞ where all are. */
export function logSumExp(x: Value, options?: ReduceOptions): Value {
  const [axis, keepDims] = reduction('logSumExp', x, options);
  const axes = [...axesOver(x.shape.length, axis)];
  // A finite shift: of infinite elements it would make NaN of them.
  const bounded = elementwise('minimum', elementwise('maximum', extremum(x, 'max', axes, true), -LARGEST), LARGEST);
  const shift = stopGradient(bounded);
  const total = sumOf(elementwise('exp', elementwise('sub', x, shift)), axes, true);
  return without(elementwise('add', elementwise('log', total), shift), axes, keepDims);
}

const LARGEST = 3.4028234663852886e38;

/** Product of x over axes. */
export function prod(x: Value, options?: ReduceOptions): Value {
  const [axis, keepDims] = reduction('prod', x, options);
  const axes = [...axesOver(x.shape.length, axis)];
  const all = axes.reduce(productAlong, x);
  return without(all, axes, keepDims);
}

/** Halves are multiplied until one element is left of the axis. */
function productAlong(x: Value, axis: number): Value {
  const length = x.shape[axis]!;
  if (length === 1) return x;
  const half = Math.floor(length / 2);
  const pairs = elementwise('mul', sliceAxis(x, axis, 0, half), sliceAxis(x, axis, half, 2 * half));
  const whole = productAlong(pairs, axis);
  return length % 2 === 0 ? whole : elementwise('mul', whole, sliceAxis(x, axis, length - 1, length));
}

/** Options of norms. */
export interface NormOptions extends ReduceOptions {
  /** `euclidean` or 2: √Σx²; 1: Σ|x|; Infinity: the largest |x|. No other number. Default `euclidean`. */
  ord?: 'euclidean' | number;
}

const ordOption: Check<'euclidean' | number> = (given, name) => {
  if (given === 'euclidean' || given === 1 || given === 2 || given === Infinity) return given;
  throw optionError(name, '"euclidean", 1, 2 or Infinity', given);
};

const normOptions = {
  ...reduceOptions,
  ord: optional(ordOption, 'euclidean' as const),
} satisfies SchemaOf<NormOptions>;

/** How long x is over axes; that of 0 has no finite gradient where `ord` is `euclidean`. */
export function norm(x: Value, options?: NormOptions): Value {
  floats('ops.norm x', x);
  const { ord: kind, ...rest } = checkOptions('ops.norm', options, normOptions);
  const [axis, keepDims] = reduction('norm', x, rest as ReduceOptions);
  if (kind === 1) return sumOf(elementwise('abs', x), axis, keepDims);
  if (kind === Infinity) return extremum(elementwise('abs', x), 'max', axis, keepDims);
  return elementwise('sqrt', sumOf(elementwise('square', x), axis, keepDims));
}
