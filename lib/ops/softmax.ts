/** softmax over the last axis: y = exp(x − max x) / Σ exp(x − max x). Its gradient, y·(dy − Σ dy·y), is elementwise work. */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { lastAxis } from './arguments.js';
import { elementwise } from './map.js';
import { sum } from './reduce_sum.js';

export const softmaxOp = defineOp({
  name: 'softmax',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'], inPlace: ['x'] } },
  infer({ x }) {
    lastAxis('softmax', x!.shape);
    return { y: { dtype: 'float32', shape: x!.shape } };
  },
  backward: ({ node, grads }) => ({ x: softmaxSlope(node.outputs.y!, grads.y!) }),
});

/** The gradient by x, from y and the gradient by it. */
export function softmaxSlope(y: Value, dy: Value): Value {
  return elementwise('mul', y, elementwise('sub', dy, sum(elementwise('mul', dy, y), [-1], true)));
}

export function softmax(x: Value): Value {
  return x.graph.add(softmaxOp, { x }).outputs.y!;
}
