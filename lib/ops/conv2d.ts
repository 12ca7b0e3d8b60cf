/**
 * 2-D convolution (cross-correlation, as everywhere in deep learning), NHWC with HWIO kernels:
 * y[n,p,q,o] = activation(bias[o] + Σ_{i,j,c} x[n, p·s + i·d − pad, q·s + j·d − pad, c] · w[i,j,c,o]).
 * conv2dDx is the gradient by the input, conv2dDw by the kernel (and, optionally, the bias); each is the derivative of
 * the others, so the three can be differentiated any number of times.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type AttrValue, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import { EPILOGUES } from './matmul.js';
import { sum } from './reduce_sum.js';

/** Strides, dilations and padding of a 2-D window, per axis. */
export interface Window2d {
  strideH: number;
  strideW: number;
  dilationH: number;
  dilationW: number;
  padTop: number;
  padBottom: number;
  padLeft: number;
  padRight: number;
}

const geometry = {
  strideH: { type: 'i32' },
  strideW: { type: 'i32' },
  dilationH: { type: 'i32' },
  dilationW: { type: 'i32' },
  padTop: { type: 'i32' },
  padBottom: { type: 'i32' },
  padLeft: { type: 'i32' },
  padRight: { type: 'i32' },
} as const;

function windowOf(attrs: Readonly<Record<string, AttrValue>>): Window2d {
  return Object.fromEntries(Object.keys(geometry).map((k) => [k, attrs[k]])) as unknown as Window2d;
}

/** Output length of a window over `size` elements. */
export function windowOutput(size: number, kernel: number, stride: number, dilation: number, padding: number): number {
  return Math.floor((size + padding - (kernel - 1) * dilation - 1) / stride) + 1;
}

export const conv2dOp = defineOp({
  name: 'conv2d',
  inputs: { x: { dtypes: ['float32'] }, w: { dtypes: ['float32'] }, bias: { dtypes: ['float32'], optional: true } },
  outputs: { y: { dtypes: ['float32'] } },
  attrs: { ...geometry, activation: { type: 'enum', values: EPILOGUES, default: 'linear' } },
  infer({ x, w, bias }, attrs) {
    const [n, h, width, c] = x!.shape;
    const [kh, kw, ci, co] = w!.shape;
    if (x!.shape.length !== 4 || w!.shape.length !== 4 || c !== ci) {
      throw new GradstepError('ERR_SHAPE', `Cannot convolve ${formatShape(x!.shape)} with a kernel ${formatShape(w!.shape)}`);
    }
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== co)) {
      throw new GradstepError('ERR_SHAPE', `Expected a bias of shape [${co}] but received ${formatShape(bias.shape)}`);
    }
    const g = windowOf(attrs);
    const p = windowOutput(h!, kh!, g.strideH, g.dilationH, g.padTop + g.padBottom);
    const q = windowOutput(width!, kw!, g.strideW, g.dilationW, g.padLeft + g.padRight);
    return { y: { dtype: 'float32', shape: [n!, p, q, co!] } };
  },
  backward({ node, grads, needs }) {
    const { x, w } = node.inputs as { x: Value; w: Value };
    const dy = grads.y!;
    const g = windowOf(node.attrs);
    const result: Record<string, Value | undefined> = {};
    if (needs('x')) result.x = conv2dDx(dy, w, x.shape, g);
    if (needs('w')) {
      const made = dy.graph.add(conv2dDwOp, { x, dy }, { ...g, shape: w.shape, withBias: needs('bias') ? 'yes' : 'no' }).outputs;
      result.w = made.dw;
      result.bias = made.db;
    } else if (needs('bias')) {
      result.bias = sum(dy, [0, 1, 2]);
    }
    return result;
  },
});

export const conv2dDxOp = defineOp({
  name: 'conv2dDx',
  inputs: { dy: { dtypes: ['float32'] }, w: { dtypes: ['float32'] } },
  outputs: { dx: { dtypes: ['float32'], accumulate: true } },
  attrs: { ...geometry, shape: { type: 'dims' } },
  infer: (_inputs, attrs) => ({ dx: { dtype: 'float32', shape: attrs.shape as number[] } }),
  backward({ node, grads, needs }) {
    const { dy, w } = node.inputs as { dy: Value; w: Value };
    const g = windowOf(node.attrs);
    return {
      dy: needs('dy') ? conv2d(grads.dx!, w, g) : undefined,
      w: needs('w') ? conv2dDw(grads.dx!, dy, w.shape, g) : undefined,
    };
  },
});

export const conv2dDwOp = defineOp({
  name: 'conv2dDw',
  inputs: { x: { dtypes: ['float32'] }, dy: { dtypes: ['float32'] } },
  outputs: { dw: { dtypes: ['float32'], accumulate: true }, db: { dtypes: ['float32'], optional: true } },
  attrs: { ...geometry, shape: { type: 'dims' }, withBias: { type: 'enum', values: ['no', 'yes'], default: 'no' } },
  infer({ dy }, attrs): Record<string, TensorType> {
    const dw: TensorType = { dtype: 'float32', shape: attrs.shape as number[] };
    return attrs.withBias === 'yes' ? { dw, db: { dtype: 'float32', shape: [dy!.shape[3]!] } } : { dw };
  },
  backward({ node, grads, needs }) {
    if (grads.db) {
      throw new GradstepError('ERR_NOT_DIFFERENTIABLE', 'The bias gradient of a convolution cannot be differentiated again');
    }
    const { x, dy } = node.inputs as { x: Value; dy: Value };
    const g = windowOf(node.attrs);
    return {
      x: needs('x') ? conv2dDx(dy, grads.dw!, x.shape, g) : undefined,
      dy: needs('dy') ? conv2d(x, grads.dw!, g) : undefined,
    };
  },
});

export function conv2d(x: Value, w: Value, window: Window2d, bias?: Value): Value {
  return x.graph.add(conv2dOp, { x, w, bias }, { ...window }).outputs.y!;
}

function conv2dDx(dy: Value, w: Value, shape: readonly number[], window: Window2d): Value {
  return dy.graph.add(conv2dDxOp, { dy, w }, { ...window, shape }).outputs.dx!;
}

function conv2dDw(x: Value, dy: Value, shape: readonly number[], window: Window2d): Value {
  return x.graph.add(conv2dDwOp, { x, dy }, { ...window, shape }).outputs.dw!;
}
