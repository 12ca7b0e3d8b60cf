/**
 * dropout: y = x · factor + offset, but `dropped` with probability `rate`. Which elements are dropped is a Philox function
 * of (seed, stream, step, element), so the backward pass makes it again instead of storing it: the gradient is the same
 * op on dy, without offset, dropping to 0.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const dropoutOp = defineOp({
  name: 'dropout',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] }, state: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'], inPlace: ['x'] } },
  attrs: {
    rate: { type: 'f32' },
    factor: { type: 'f32' },
    offset: { type: 'f32', default: 0 },
    dropped: { type: 'f32', default: 0 },
    stream: { type: 'u32' },
  },
  infer: ({ x }) => ({ y: { dtype: 'float32', shape: x!.shape } }),
  backward: ({ node, grads }) => ({
    x: grads.y!.graph.add(dropoutOp, { x: grads.y!, state: node.inputs.state! }, { ...node.attrs, offset: 0, dropped: 0 }).outputs
      .y!,
  }),
});

/**
 * Zeroes elements with probability `rate` and divides the others by 1 − rate.
 * @param stream identifies the random stream: a hash of the layer's path and the role of the numbers.
 */
export function dropout(x: Value, state: Value, rate: number, stream: number): Value {
  return dropTo(x, state, { rate, factor: 1 / (1 - rate), offset: 0, dropped: 0, stream });
}

/** What becomes of kept elements, x · factor + offset, and of the others. */
export interface DropRule {
  rate: number;
  factor: number;
  offset: number;
  dropped: number;
  stream: number;
}

export function dropTo(x: Value, state: Value, rule: DropRule): Value {
  return x.graph.add(dropoutOp, { x, state }, { ...rule }).outputs.y!;
}
