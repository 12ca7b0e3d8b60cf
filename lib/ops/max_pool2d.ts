/**
 * maxPool2d: the largest element of each window, per channel, NHWC. `argmax` keeps its position in the window (row by
 * row, the first of equals), one byte where the window has at most 256 elements; padding never wins. maxPool2dDx
 * sends each gradient to that position (windows that overlap add up) and writes every element of dx.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import { windowOutput } from './conv2d.js';

/** Size, strides and padding of a pooling window. */
export interface Pool2d {
  poolH: number;
  poolW: number;
  strideH: number;
  strideW: number;
  padTop: number;
  padBottom: number;
  padLeft: number;
  padRight: number;
}

export const poolGeometry = {
  poolH: { type: 'i32' },
  poolW: { type: 'i32' },
  strideH: { type: 'i32' },
  strideW: { type: 'i32' },
  padTop: { type: 'i32' },
  padBottom: { type: 'i32' },
  padLeft: { type: 'i32' },
  padRight: { type: 'i32' },
} as const;

/** Shape of a pooled value; ERR_SHAPE when the input is not [N, H, W, C]. */
export function pooledShape(x: Value, attrs: Readonly<Record<string, unknown>>): number[] {
  if (x.shape.length !== 4) throw new GradstepError('ERR_SHAPE', `Cannot pool ${formatShape(x.shape)}: expected [N, H, W, C]`);
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const g = attrs as unknown as Pool2d;
  const p = windowOutput(h, g.poolH, g.strideH, 1, g.padTop + g.padBottom);
  const q = windowOutput(w, g.poolW, g.strideW, 1, g.padLeft + g.padRight);
  return [n, p, q, c];
}

export const maxPool2dOp = defineOp({
  name: 'maxPool2d',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'] }, argmax: { dtypes: ['uint8', 'int32'] } },
  attrs: poolGeometry,
  infer({ x }, attrs) {
    const shape = pooledShape(x!, attrs);
    const window = (attrs.poolH as number) * (attrs.poolW as number);
    return { y: { dtype: 'float32', shape }, argmax: { dtype: window <= 256 ? 'uint8' : 'int32', shape } };
  },
  backward({ node, grads }) {
    const inputs = { dy: grads.y!, argmax: node.outputs.argmax! };
    return { x: grads.y!.graph.add(maxPool2dDxOp, inputs, { ...node.attrs, shape: node.inputs.x!.shape }).outputs.dx! };
  },
});

export const maxPool2dDxOp = defineOp({
  name: 'maxPool2dDx',
  inputs: { dy: { dtypes: ['float32'] }, argmax: { dtypes: ['uint8', 'int32'] } },
  outputs: { dx: { dtypes: ['float32'] } },
  attrs: { ...poolGeometry, shape: { type: 'dims' } },
  infer: (_inputs, attrs) => ({ dx: { dtype: 'float32', shape: attrs.shape as number[] } }),
});

export function maxPool2d(x: Value, window: Pool2d): Value {
  return x.graph.add(maxPool2dOp, { x }, { ...window }).outputs.y!;
}
