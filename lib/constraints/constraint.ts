/**
 * A constraint puts a weight back where it must be after each update: it maps the weight to the nearest one allowed, or
 * thereabouts. It is composed of ops, and no gradient flows through it.
 */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { axisOf } from '../ops/arguments.js';
import { add, div, mul, sqrt, square, sum } from '../ops/index.js';
import { number, optional, type Check } from '../options.js';

/** A constraint of the user's own, over `gs.ops`: a weight to a weight of the same shape. */
export type ConstraintFunction = (weight: Value) => Value;

export interface Constraint {
  /** The name it is saved under; undefined for a user's own function. */
  readonly name: string | undefined;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What the weight becomes, of the same shape. */
  apply(weight: Value): Value;
}

/** Added to norms that are divided by. */
const EPSILON = 1e-7;

/** A norm that a weight's vectors are held to, number >= 0. */
export const norm = (fallback: number): Check<number> =>
  optional(
    number('number >= 0', (v) => v >= 0),
    fallback,
  );

/** The axis or axes along which a vector lies: an integer or an array of them, negative ones from the end. Default 0. */
export const axisOption: Check<number | readonly number[]> = (value, name) => {
  if (value === undefined) return 0;
  const axes: unknown[] = Array.isArray(value) ? value : [value];
  if (axes.length === 0 || !axes.every((a) => Number.isInteger(a))) throw optionError(name, 'integer or an array of them', value);
  return Array.isArray(value) ? (axes as number[]) : (value as number);
};

/**
 * Lengths of the vectors along `axis`, which stays with size 1. ERR_OPTION where the weight has no such axis.
 * @param where the constraint, for messages: `constraints.maxNorm`
 */
export function norms(weight: Value, axis: number | readonly number[], where: string): Value {
  const axes = [axis].flat().map((a) => axisOf(`${where}.axis`, a, weight.shape.length));
  if (new Set(axes).size < axes.length) throw optionError(`${where}.axis`, 'each axis once', axis);
  return sqrt(sum(square(weight), { axis: axes, keepDims: true }));
}

/** The weight with vectors of length `actual` brought to length `desired`. */
export function rescale(weight: Value, desired: Value | number, actual: Value): Value {
  return mul(weight, div(desired, add(actual, EPSILON)));
}

/** Wraps a user's own function; what it returns is checked when the model is compiled. */
export function ownConstraint(compute: ConstraintFunction): Constraint {
  return {
    name: undefined,
    config: {},
    apply(weight) {
      const result: unknown = compute(weight);
      if (!(result instanceof Value) || result.graph !== weight.graph)
        throw new GradstepError('ERR_OPTION', 'Expected the constraint function to return a value made from the weight');
      if (result.dtype !== 'float32')
        throw new GradstepError('ERR_DTYPE', `Expected a float32 weight but received ${result.dtype}`);
      if (!sameShape(result.shape, weight.shape)) {
        const shapes = `${formatShape(weight.shape)} but received ${formatShape(result.shape)}`;
        throw new GradstepError('ERR_SHAPE', `Expected the constraint function to return a weight of shape ${shapes}`);
      }
      return result;
    },
  };
}
