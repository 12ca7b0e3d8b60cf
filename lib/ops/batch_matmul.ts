/**
 * batchMatmul: y[i] = op(a[i])·op(b[i]) for matrices that lie one behind the other: a [batch, m, k], b [batch, k, n]; with
 * `transposeA` a is stored [batch, k, m], with `transposeB` b is stored [batch, n, k]. A batch of one serves every i.
 * `multiply` is the product of any two values: leading axes are the batch and broadcast as in NumPy, a matrix that serves
 * a whole batch is one large product, and a transposition of the last two axes becomes a flag.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type AttrValue } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { broadcastShapes, formatShape, sizeOf } from '../graph/shape.js';
import { broadcastTo } from './map.js';
import { matmul } from './matmul.js';
import { precision } from './precision.js';
import { sumTo } from './reduce_sum.js';
import { reshape } from './reshape.js';

export const batchMatmulOp = defineOp({
  name: 'batchMatmul',
  inputs: { a: { dtypes: ['float32', 'bfloat16'] }, b: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'], accumulate: true } },
  attrs: {
    transposeA: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    transposeB: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    precision,
  },
  infer({ a, b }, { transposeA, transposeB }) {
    const batch = Math.max(a!.shape[0]!, b!.shape[0]!);
    return {
      y: { dtype: 'float32', shape: [batch, a!.shape[transposeA === 'yes' ? 2 : 1]!, b!.shape[transposeB === 'yes' ? 1 : 2]!] },
    };
  },
  backward({ node, grads, needs }) {
    const { a, b } = node.inputs as { a: Value; b: Value };
    const ta = node.attrs.transposeA === 'yes';
    const tb = node.attrs.transposeB === 'yes';
    const dy = grads.y!;
    const { precision } = node.attrs;
    const da = () => (ta ? batchMatmul(b, dy, tb, true, precision) : batchMatmul(dy, b, false, !tb, precision));
    const db = () => (tb ? batchMatmul(dy, a, true, ta, precision) : batchMatmul(a, dy, !ta, false, precision));
    return { a: needs('a') ? sumTo(da(), a.shape) : undefined, b: needs('b') ? sumTo(db(), b.shape) : undefined };
  },
});

/** op(a[i])·op(b[i]) for a and b of rank 3 and equal batches, or one of them 1. */
function batchMatmul(a: Value, b: Value, transposeA: boolean, transposeB: boolean, precision?: AttrValue): Value {
  const attrs = { transposeA: transposeA ? 'yes' : 'no', transposeB: transposeB ? 'yes' : 'no', ...(precision && { precision }) };
  return a.graph.add(batchMatmulOp, { a, b }, attrs).outputs.y!;
}

/** op(a)·op(b) over the last two axes; the axes before them broadcast. Transposes swap the last two axes. */
export function multiply(a: Value, b: Value, transposeA = false, transposeB = false): Value {
  const inner = a.shape.at(transposeA ? -2 : -1);
  if (a.shape.length < 2 || b.shape.length < 2 || inner !== b.shape.at(transposeB ? -1 : -2)) {
    const what = (v: Value, transposed: boolean) => `${formatShape(v.shape)}${transposed ? ' transposed' : ''}`;
    throw new GradstepError('ERR_SHAPE', `Cannot multiply ${what(a, transposeA)} by ${what(b, transposeB)}`);
  }
  const lead = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const batch = sizeOf(lead);
  const m = a.shape.at(transposeA ? -1 : -2)!;
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const shape = [...lead, m, n];
  const matrices = (v: Value) => sizeOf(v.shape.slice(0, -2));
  if (matrices(b) === 1 && (!transposeA || matrices(a) === 1)) {
    const rows = transposeA ? reshape(a, a.shape.slice(-2)) : reshape(a, [sizeOf(a.shape) / inner!, inner!]);
    return reshape(matmul(rows, reshape(b, b.shape.slice(-2)), transposeA, transposeB), shape);
  }
  // Matrices that lie evenly apart: as many as there are products, or one for all of them.
  const stack = (v: Value) => {
    const whole = matrices(v) === 1 || matrices(v) === batch ? v : broadcastTo(v, [...lead, ...v.shape.slice(-2)]);
    return reshape(whole, [matrices(whole), ...v.shape.slice(-2)]);
  };
  return reshape(batchMatmul(stack(a), stack(b), transposeA, transposeB), shape);
}
