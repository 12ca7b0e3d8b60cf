/**
 * noise: y = x + stddev · z or y = x · (1 + stddev · z) with z of the standard normal distribution, drawn as in random.ts
 * and never stored: the gradient of the product makes the same numbers again.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const noiseOp = defineOp({
  name: 'noise',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] }, state: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'], inPlace: ['x'] } },
  attrs: { kind: { type: 'enum', values: ['add', 'multiply'] }, stddev: { type: 'f32' }, stream: { type: 'u32' } },
  infer: ({ x }) => ({ y: { dtype: 'float32', shape: x!.shape } }),
  backward({ node, grads }) {
    const dy = grads.y!;
    if (node.attrs.kind === 'add') return { x: dy };
    return { x: dy.graph.add(noiseOp, { x: dy, state: node.inputs.state! }, node.attrs).outputs.y! };
  },
});

/** @param stream identifies the random stream: a hash of the layer's path and the role of the numbers. */
export function noise(x: Value, state: Value, kind: 'add' | 'multiply', stddev: number, stream: number): Value {
  return x.graph.add(noiseOp, { x, state }, { kind, stddev, stream }).outputs.y!;
}
