/**
 * dropout: y = x · mask / (1 − rate), mask 0 with probability `rate`. The mask is a Philox function of (seed, stream,
 * step, element), so the backward pass makes it again instead of storing it: the gradient is the same op on dy.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const dropoutOp = defineOp({
  name: 'dropout',
  inputs: { x: { dtypes: ['float32'] }, state: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['float32'], inPlace: ['x'] } },
  attrs: { rate: { type: 'f32' }, stream: { type: 'u32' } },
  infer: ({ x }) => ({ y: { dtype: 'float32', shape: x!.shape } }),
  backward: ({ node, grads }) => ({
    x: grads.y!.graph.add(dropoutOp, { x: grads.y!, state: node.inputs.state! }, node.attrs).outputs.y!,
  }),
});

/** @param stream identifies the random stream: a hash of the layer's path and the role of the numbers. */
export function dropout(x: Value, state: Value, rate: number, stream: number): Value {
  return x.graph.add(dropoutOp, { x, state }, { rate, stream }).outputs.y!;
}
