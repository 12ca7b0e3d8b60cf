/**
 * A regularizer adds to the loss a number that grows with a weight, so that training keeps the weight small. It is
 * composed of ops: its gradient follows by itself.
 */
import { GradstepError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { reshape } from '../ops/reshape.js';
import { float32, optional, type Check } from '../options.js';

/** A regularizer of the user's own, over `gs.ops`: a weight to a scalar. */
export type RegularizerFunction = (weight: Value) => Value;

export interface Regularizer {
  /** The name it is saved under; undefined for a user's own function. */
  readonly name: string | undefined;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What is added to the loss: a scalar, []. */
  penalty(weight: Value): Value;
}

/** Weight of a penalty, a number >= 0. */
export const strength = (fallback: number): Check<number> =>
  optional(
    float32('number >= 0', (v) => v >= 0),
    fallback,
  );

/** Wraps a user's own function; what it returns is checked when the model is compiled. */
export function ownRegularizer(compute: RegularizerFunction): Regularizer {
  return {
    name: undefined,
    config: {},
    penalty(weight) {
      const penalty: unknown = compute(weight);
      if (!(penalty instanceof Value) || penalty.graph !== weight.graph)
        throw new GradstepError('ERR_OPTION', 'Expected the regularizer function to return a value made from the weight');
      if (penalty.dtype !== 'float32')
        throw new GradstepError('ERR_DTYPE', `Expected a float32 penalty but received ${penalty.dtype}`);
      if (sizeOf(penalty.shape) !== 1)
        throw new GradstepError('ERR_SHAPE', `Expected a penalty of shape [] but received ${formatShape(penalty.shape)}`);
      return reshape(penalty, []);
    },
  };
}
