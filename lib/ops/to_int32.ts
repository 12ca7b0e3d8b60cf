/**
 * toInt32: floats as whole numbers, what stands behind the point cut off. Beyond int32 the nearest number that it holds; NaN is 0. No
 * gradient.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const toInt32Op = defineOp({
  name: 'toInt32',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['int32'] } },
  infer: ({ x }) => ({ y: { dtype: 'int32', shape: x!.shape } }),
  backward: () => ({}),
});

export function toInt32(x: Value): Value {
  return x.graph.add(toInt32Op, { x }).outputs.y!;
}
