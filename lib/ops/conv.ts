/**
 * Convolution over two or three axes (cross-correlation, as everywhere in deep learning), channels last, kernels
 * [(kd,) kh, kw, in/groups, out]; shown over two:
 * y[n,p,q,o] = activation(bias[o] + Σ_{i,j,c} x[n, p·s + i·d − pad, q·s + j·d − pad, g·C + c] · w[i,j,c,o]),
 * where group g = ⌊o / (out/groups)⌋ sees the C = in/groups channels that are its own. convDx is the gradient by the
 * input (a transposed convolution), convDw by the kernel (and, optionally, the bias); each is the derivative of the
 * others, so the three can be differentiated any number of times. With `mask`, what a relu below has yielded, dx is 0 where
 * mask is not above 0: the gradient goes back through that relu (not together with `accumulate`).
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { addGiven, broadcastTo, elementwise } from './map.js';
import { EPILOGUES } from './matmul.js';
import { precision } from './precision.js';
import { sum } from './reduce_sum.js';
import { pickAttrs, windowAttrs, windowedAxes, type Window } from './window.js';

/** The window of a convolution; dilation and groups are 1 where nothing is said. */
export interface ConvWindow extends Window {
  dilationD?: number;
  dilationH?: number;
  dilationW?: number;
  groups?: number;
}

const stored = { dtypes: ['float32', 'bfloat16'] } as const;
const one = { type: 'i32', default: 1 } as const;
const geometry = { ...windowAttrs, dilationD: one, dilationH: one, dilationW: one, groups: one } as const;
/** What the gradients of a convolution take over from it. */
const kept = { ...geometry, precision } as const;

/** Shape of y; ERR_SHAPE where x, w and the window do not fit together. */
function convolved(x: Shape, w: Shape, attrs: Readonly<Record<string, unknown>>): number[] {
  const groups = attrs.groups as number;
  const [channels, depth, filters] = [x.at(-1)!, w.at(-2)!, w.at(-1)!];
  if (w.length !== x.length || x.length < 4 || x.length > 5 || channels !== depth * groups || filters % groups !== 0) {
    const among = groups === 1 ? '' : ` in ${groups} groups`;
    throw new GradstepError('ERR_SHAPE', `Cannot convolve ${formatShape(x)} with a kernel ${formatShape(w)}${among}`);
  }
  return [x[0]!, ...windowedAxes(x, w.slice(0, -2), attrs), filters];
}

export const convOp = defineOp({
  name: 'conv',
  inputs: { x: stored, w: stored, bias: { dtypes: ['float32'], optional: true } },
  outputs: { y: stored },
  attrs: { ...geometry, activation: { type: 'enum', values: EPILOGUES, default: 'linear' }, precision },
  infer({ x, w, bias }, attrs) {
    const shape = convolved(x!.shape, w!.shape, attrs);
    const filters = shape.at(-1);
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== filters)) {
      throw new GradstepError('ERR_SHAPE', `Expected a bias of shape [${filters}] but received ${formatShape(bias.shape)}`);
    }
    return { y: { dtype: 'float32', shape } };
  },
  backward({ node, grads, needs }) {
    const { x, w } = node.inputs as { x: Value; w: Value };
    const dy = grads.y!;
    const window = pickAttrs(node.attrs, kept);
    const result: Record<string, Value | undefined> = {};
    if (needs('x')) result.x = convTranspose(dy, w, x.shape, window);
    if (needs('w')) {
      const attrs = { ...window, shape: w.shape, withBias: needs('bias') ? 'yes' : 'no' };
      const made = dy.graph.add(convDwOp, { x, dy }, attrs).outputs;
      result.w = made.dw;
      result.bias = made.db;
    } else if (needs('bias')) {
      result.bias = sum(
        dy,
        dy.shape.slice(1).map((_, axis) => axis),
      );
    }
    return result;
  },
});

export const convDxOp = defineOp({
  name: 'convDx',
  inputs: { dy: stored, w: stored, mask: { ...stored, optional: true } },
  outputs: { dx: { ...stored, accumulate: true } },
  attrs: { ...geometry, shape: { type: 'dims' }, precision },
  infer({ dy, w, mask }, attrs) {
    const shape = attrs.shape as number[];
    const y = convolved(shape, w!.shape, attrs);
    if (dy!.shape.length !== y.length || dy!.shape.some((d, i) => d !== y[i])) {
      const [from, to] = [formatShape(dy!.shape), formatShape(shape)];
      throw new GradstepError('ERR_SHAPE', `A transposed convolution of ${from} with this window does not make ${to}`);
    }
    if (mask && !sameShape(mask.shape, shape)) {
      const [given, wanted] = [formatShape(mask.shape), formatShape(shape)];
      throw new GradstepError('ERR_SHAPE', `Expected a mask of shape ${wanted} but received ${given}`);
    }
    return { dx: { dtype: 'float32', shape } };
  },
  backward({ node, grads, needs }) {
    const { dy, w, mask } = node.inputs as { dy: Value; w: Value; mask?: Value };
    const window = pickAttrs(node.attrs, kept);
    const ddx = mask ? elementwise('mul', grads.dx!, elementwise('step', mask)) : grads.dx!;
    return {
      dy: needs('dy') ? conv(ddx, w, window) : undefined,
      w: needs('w') ? convDw(ddx, dy, w.shape, window) : undefined,
    };
  },
});

export const convDwOp = defineOp({
  name: 'convDw',
  inputs: { x: stored, dy: stored },
  outputs: { dw: { dtypes: ['float32'], accumulate: true }, db: { dtypes: ['float32'], optional: true } },
  attrs: {
    ...geometry,
    shape: { type: 'dims' },
    withBias: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    precision,
  },
  infer({ dy }, attrs): Record<string, TensorType> {
    const dw: TensorType = { dtype: 'float32', shape: attrs.shape as number[] };
    return attrs.withBias === 'yes' ? { dw, db: { dtype: 'float32', shape: [dy!.shape.at(-1)!] } } : { dw };
  },
  backward({ node, grads, needs }) {
    const { x, dy } = node.inputs as { x: Value; dy: Value };
    const { dw, db } = grads;
    const window = pickAttrs(node.attrs, kept);
    return {
      x: needs('x') && dw ? convTranspose(dy, dw, x.shape, window) : undefined,
      dy: needs('dy') ? addGiven(dw && conv(x, dw, window), db && broadcastTo(db, dy.shape)) : undefined,
    };
  },
});

/** x [N, …, in] convolved with w [k…, in/groups, out], plus a bias [out]. */
export function conv(x: Value, w: Value, window: ConvWindow, bias?: Value): Value {
  return x.graph.add(convOp, { x, w, bias }, { ...window }).outputs.y!;
}

/** The transposed convolution: what convolving a value of `shape` with w by this window does to gradients dy. */
export function convTranspose(dy: Value, w: Value, shape: Shape, window: ConvWindow): Value {
  return dy.graph.add(convDxOp, { dy, w }, { ...window, shape }).outputs.dx!;
}

function convDw(x: Value, dy: Value, shape: Shape, window: ConvWindow): Value {
  return x.graph.add(convDwOp, { x, dy }, { ...window, shape }).outputs.dw!;
}
