/**
 * reverse: x viewed as [outer, length, inner] with the middle in the opposite order: y[o, i] = x[o, length − 1 − i]. It is its own
 * gradient.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { reshape } from './reshape.js';

export const reverseOp = defineOp({
  name: 'reverse',
  inputs: { x: { dtypes: ['float32', 'int32'] } },
  outputs: { y: { dtypes: ['float32', 'int32'] } },
  infer: ({ x }) => ({ y: { dtype: x!.dtype, shape: x!.shape } }),
  backward: ({ grads }) => ({ x: grads.y!.graph.add(reverseOp, { x: grads.y! }).outputs.y! }),
});

/** x from the last to the first along an axis (counted from the front). */
export function reverse(x: Value, axis: number): Value {
  const length = x.shape[axis]!;
  if (length === 1) return x;
  const view = reshape(x, [sizeOf(x.shape.slice(0, axis)), length, sizeOf(x.shape.slice(axis + 1))]);
  return reshape(view.graph.add(reverseOp, { x: view }).outputs.y!, x.shape);
}
