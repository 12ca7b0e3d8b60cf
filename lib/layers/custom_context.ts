/** What layers of a user's own see while they describe their computation, with what they hand over checked. */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { number } from '../options.js';
import type { CallContext, WeightSpec } from './layer.js';

export interface CustomContext {
  readonly training: boolean;
  /** Whether training changes the layer's weights: false where it is frozen, true where it has none. */
  readonly trainable: boolean;
  /** Which steps count: 1 or 0, float32 [rows, time]; undefined where all do. */
  readonly mask: Value | undefined;
  /** Declares the mask of the result. */
  setMask(mask: Value | undefined): void;
  /** The value of a weight. */
  weight(name: string): Value;
  /** While training: a weight that is not trainable becomes momentum · weight + (1 − momentum) · value at the end of the step. */
  update(name: string, value: Value, momentum: number): void;
  /** Adds the sum of a value's elements to the loss: while training, and where a model is evaluated. */
  addLoss(value: Value): void;
}

const momentumOption = number('number in [0, 1]', (v) => v >= 0 && v <= 1);

/**
 * @param where the layer's factory in messages
 * @param result shape of the result, the batch first
 */
export function customContext(
  context: CallContext,
  where: string,
  result: Shape,
  weights: () => readonly WeightSpec[],
): CustomContext {
  return {
    ...context,
    setMask(mask) {
      if (mask !== undefined) checkMask(mask, result, `${where}.setMask`);
      context.setMask(mask);
    },
    update(name, value, momentum) {
      const spec = weights().find(({ role }) => role === name);
      if (spec && spec.trainable !== false) throw optionError(`${where}.update`, 'name of a weight with trainable: false', name);
      if (!(value instanceof Value)) throw optionError(`${where}.update value`, 'value', value);
      context.update(name, value, momentumOption(momentum, `${where}.update momentum`));
    },
    addLoss(value) {
      const isOwn = value instanceof Value && value.graph === context.state.graph;
      if (!isOwn) throw optionError(`${where}.addLoss`, 'value made from the inputs', value);
      if (value.dtype !== 'float32')
        throw new GradstepError('ERR_DTYPE', `Expected a float32 loss for ${where}.addLoss but received ${value.dtype}`);
      context.addLoss(value);
    },
  };
}

/** A mask says of each step of the result whether it counts, of several axes where there are several before the last. */
function checkMask(mask: unknown, result: Shape, where: string): asserts mask is Value {
  if (!(mask instanceof Value)) throw optionError(where, 'value or undefined', mask);
  if (mask.dtype !== 'float32')
    throw new GradstepError('ERR_DTYPE', `Expected a float32 mask for ${where} but received ${mask.dtype}`);
  if (mask.shape.length < 2 || !sameShape(mask.shape, result.slice(0, mask.shape.length))) {
    const shapes = `[rows, time] of a result of shape ${formatShape(result)} but received ${formatShape(mask.shape)}`;
    throw new GradstepError('ERR_SHAPE', `Expected a mask ${shapes} for ${where}`);
  }
}
