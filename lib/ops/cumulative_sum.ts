/**
 * cumulativeSum: y[r, i] = Σ x[r, j] over j <= i; `exclusive` over j < i; `reverse` from the row's end. Rows are the last
 * axis; another axis is brought there and back by transpositions. The gradient is the sum from the other end.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { reshape } from './reshape.js';
import { axisFromLast, axisToLast } from './transpose.js';

export const cumulativeSumOp = defineOp({
  name: 'cumulativeSum',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'], inPlace: ['x'] } },
  attrs: {
    exclusive: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    reverse: { type: 'enum', values: ['no', 'yes'], default: 'no' },
  },
  infer: ({ x }) => ({ y: { dtype: 'float32', shape: x!.shape } }),
  backward({ node, grads }) {
    const { exclusive, reverse } = node.attrs as Record<string, string>;
    return { x: rowSums(grads.y!, exclusive === 'yes', reverse === 'no') };
  },
});

function rowSums(x: Value, exclusive: boolean, reverse: boolean): Value {
  const attrs = { exclusive: exclusive ? 'yes' : 'no', reverse: reverse ? 'yes' : 'no' };
  return x.graph.add(cumulativeSumOp, { x }, attrs).outputs.y!;
}

/** Sums up to each element along an axis (counted from the front). */
export function cumulativeSum(x: Value, axis: number, exclusive = false, reverse = false): Value {
  const rank = x.shape.length;
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank) {
    throw new GradstepError('ERR_SHAPE', `Axis ${axis} is outside a value of rank ${rank}`);
  }
  const last = axisToLast(x, axis);
  const length = x.shape[axis]!;
  const y = reshape(rowSums(reshape(last, [sizeOf(x.shape) / length, length]), exclusive, reverse), last.shape);
  return axisFromLast(y, axis);
}
