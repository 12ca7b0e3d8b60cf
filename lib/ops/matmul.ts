/**
 * matmul: y = activation(op(a)·op(b) + bias), op(a) of shape [m, k] and op(b) of [k, n]; with `transposeA` a is stored
 * [k, m], with `transposeB` b is stored [n, k]. Dense layers, their input gradients (dy·wᵀ) and weight gradients (xᵀ·dy)
 * are all this op, so it can be differentiated any number of times. `accumulate` adds to y (no bias, no activation, no mask
 * then). With `mask` [m, n], what a relu below has yielded, y is 0 where mask is not above 0: the gradient goes back through
 * that relu; `sums` [n], of y's columns, is then the gradient of the bias below.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { broadcastTo, elementwise } from './map.js';
import { precision } from './precision.js';
import { sum } from './reduce_sum.js';

/** Activations a matmul or convolution kernel can apply to its result; lowering fuses them. */
export const EPILOGUES = ['linear', 'relu'] as const;

export const matmulOp = defineOp({
  name: 'matmul',
  inputs: {
    a: { dtypes: ['float32', 'bfloat16'] },
    b: { dtypes: ['float32', 'bfloat16'] },
    bias: { dtypes: ['float32'], optional: true },
    mask: { dtypes: ['float32', 'bfloat16'], optional: true },
  },
  outputs: { y: { dtypes: ['float32', 'bfloat16'], accumulate: true }, sums: { dtypes: ['float32'], optional: true } },
  attrs: {
    transposeA: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    transposeB: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    activation: { type: 'enum', values: EPILOGUES, default: 'linear' },
    precision,
  },
  infer({ a, b, bias, mask }, attrs) {
    const [m, k] = attrs.transposeA === 'yes' ? [a!.shape[1], a!.shape[0]] : a!.shape;
    const [kb, n] = attrs.transposeB === 'yes' ? [b!.shape[1], b!.shape[0]] : b!.shape;
    if (a!.shape.length !== 2 || b!.shape.length !== 2 || k !== kb) {
      throw new GradstepError('ERR_SHAPE', `Cannot multiply ${formatShape(a!.shape)} by ${formatShape(b!.shape)}`);
    }
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== n)) {
      throw new GradstepError('ERR_SHAPE', `Expected a bias of shape [${n}] but received ${formatShape(bias.shape)}`);
    }
    if (mask && !sameShape(mask.shape, [m!, n!])) {
      throw new GradstepError('ERR_SHAPE', `Expected a mask of shape [${m}, ${n}] but received ${formatShape(mask.shape)}`);
    }
    return { y: { dtype: 'float32', shape: [m!, n!] }, ...(mask && { sums: { dtype: 'float32', shape: [n!] } }) };
  },
  backward({ node, grads, needs }) {
    const { a, b } = node.inputs as { a: Value; b: Value };
    const ta = node.attrs.transposeA === 'yes';
    const tb = node.attrs.transposeB === 'yes';
    const { y, sums } = grads;
    const unmasked = y && sums ? elementwise('add', y, sums) : (y ?? broadcastTo(sums!, node.outputs.y!.shape));
    const { mask } = node.inputs;
    const dy = mask ? elementwise('mul', unmasked, elementwise('step', mask)) : unmasked;
    return {
      a: needs('a') ? (ta ? matmul(b, dy, tb, true) : matmul(dy, b, false, !tb)) : undefined,
      b: needs('b') ? (tb ? matmul(dy, a, true, ta) : matmul(a, dy, !ta, false)) : undefined,
      bias: needs('bias') ? sum(dy, [0]) : undefined,
    };
  },
});

/** op(a)·op(b) [+ bias] for matrices. */
export function matmul(a: Value, b: Value, transposeA = false, transposeB = false, bias?: Value): Value {
  const attrs = { transposeA: transposeA ? 'yes' : 'no', transposeB: transposeB ? 'yes' : 'no' };
  return a.graph.add(matmulOp, { a, b, bias }, attrs).outputs.y!;
}
