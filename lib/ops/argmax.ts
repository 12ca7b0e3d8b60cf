/** argmax over the last axis: the position of the largest element, the first of equals. */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { lastAxis } from './arguments.js';

export const argmaxOp = defineOp({
  name: 'argmax',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['int32'] } },
  infer({ x }) {
    lastAxis('argmax', x!.shape);
    return { y: { dtype: 'int32', shape: x!.shape.slice(0, -1) } };
  },
  backward: () => ({}),
});

export function argmax(x: Value): Value {
  return x.graph.add(argmaxOp, { x }).outputs.y!;
}
