/**
 * maxPool: the largest element of each window, per channel, of [N, H, W, C] or [N, D, H, W, C]. `argmax` keeps its
 * position in the window (plane by plane and row by row, the first of equals), one byte where the window has at most
 * 256 elements; padding never wins. maxPoolDx sends each gradient to that position (windows that overlap add up) and
 * writes every element of dx. maxPoolAt reads another x there, y = x where the window was won: each is the other's gradient.
 */
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { windowAttrs, windowedAxes, type Window } from './window.js';

/** Size, strides and padding of a pooling window. Sizes are 1 where nothing is said. */
export interface PoolWindow extends Window {
  poolD?: number;
  poolH?: number;
  poolW?: number;
}

const one = { type: 'i32', default: 1 } as const;
export const poolAttrs = { poolD: one, poolH: one, poolW: one, ...windowAttrs } as const;

/** Shape of a pooled value; ERR_SHAPE when the input is not [N, (D,) H, W, C]. */
export function pooledShape(x: TensorType, attrs: Readonly<Record<string, unknown>>): number[] {
  const sizes = [attrs.poolD, attrs.poolH, attrs.poolW].slice(x.shape.length === 5 ? 0 : 1) as number[];
  return [x.shape[0]!, ...windowedAxes(x.shape, sizes, attrs), x.shape.at(-1)!];
}

export const maxPoolOp = defineOp({
  name: 'maxPool',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] }, argmax: { dtypes: ['uint8', 'int32'] } },
  attrs: poolAttrs,
  infer({ x }, attrs) {
    const shape = pooledShape(x!, attrs);
    const window = (attrs.poolD as number) * (attrs.poolH as number) * (attrs.poolW as number);
    return { y: { dtype: 'float32', shape }, argmax: { dtype: window <= 256 ? 'uint8' : 'int32', shape } };
  },
  backward({ node, grads }) {
    const inputs = { dy: grads.y!, argmax: node.outputs.argmax! };
    return { x: grads.y!.graph.add(maxPoolDxOp, inputs, { ...node.attrs, shape: node.inputs.x!.shape }).outputs.dx! };
  },
});

export const maxPoolDxOp = defineOp({
  name: 'maxPoolDx',
  inputs: { dy: { dtypes: ['float32', 'bfloat16'] }, argmax: { dtypes: ['uint8', 'int32'] } },
  outputs: { dx: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { ...poolAttrs, shape: { type: 'dims' } },
  infer: (_inputs, attrs) => ({ dx: { dtype: 'float32', shape: attrs.shape as number[] } }),
  backward({ node, grads }) {
    const { shape: _shape, ...window } = node.attrs;
    const inputs = { x: grads.dx!, argmax: node.inputs.argmax! };
    return { dy: grads.dx!.graph.add(maxPoolAtOp, inputs, window).outputs.y! };
  },
});

export const maxPoolAtOp = defineOp({
  name: 'maxPoolAt',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] }, argmax: { dtypes: ['uint8', 'int32'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] } },
  attrs: poolAttrs,
  infer: ({ argmax }) => ({ y: { dtype: 'float32', shape: argmax!.shape } }),
  backward({ node, grads }) {
    const inputs = { dy: grads.y!, argmax: node.inputs.argmax! };
    return { x: grads.y!.graph.add(maxPoolDxOp, inputs, { ...node.attrs, shape: node.inputs.x!.shape }).outputs.dx! };
  },
});

export function maxPool(x: Value, window: PoolWindow): Value {
  return x.graph.add(maxPoolOp, { x }, { ...window }).outputs.y!;
}
