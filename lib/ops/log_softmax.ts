/**
 * logSoftmax over the last axis: y = x − max x − log Σ exp(x − max x), finite where softmax would round to 0. Its gradient,
 * dy − e^y·Σ dy, is elementwise work.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { lastAxis } from './arguments.js';
import { elementwise } from './map.js';
import { sum } from './reduce_sum.js';

export const logSoftmaxOp = defineOp({
  name: 'logSoftmax',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'], inPlace: ['x'] } },
  infer({ x }) {
    lastAxis('logSoftmax', x!.shape);
    return { y: { dtype: 'float32', shape: x!.shape } };
  },
  backward({ node, grads }) {
    const dy = grads.y!;
    const total = sum(dy, [-1], true);
    return { x: elementwise('sub', dy, elementwise('mul', elementwise('exp', node.outputs.y!), total)) };
  },
});

export function logSoftmax(x: Value): Value {
  return x.graph.add(logSoftmaxOp, { x }).outputs.y!;
}
