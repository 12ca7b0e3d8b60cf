/**
 * attention: y[b,i,h] = Σ_j p[i,j] v[b,j,h], p = softmax_j(scale · q[b,i,h]·k[b,j,h] + bias), for queries q [B, Tq, H, D],
 * keys k [B, Tk, H, D] and values v [B, Tk, H, E]. It goes through the keys block by block with a running maximum and sum
 * (Dao et al. 2022), so the matrix of Tq × Tk probabilities never exists; what the gradient needs of it is `lse` [B, H, Tq],
 * the logarithm of each softmax's denominator. `causal`: query i sees the keys j ≤ i. `mask` [B, Tk]: keys with 0 are not
 * seen. `bias` [B or 1, H or 1, Tq, Tk] is added to the scores and has no gradient. A query that sees no key yields zeros.
 * With `rate` > 0 probabilities are dropped and the others divided by 1 − rate; which ones is a Philox function of (seed,
 * stream, step, element), worked out again by attentionDx, the gradient by q, k and v.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Node, Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { pullBackTwice, type Named } from './autodiff.js';
import { multiply } from './batch_matmul.js';
import { cumulativeSum } from './cumulative_sum.js';
import { dropout } from './dropout.js';
import { constant, elementwise } from './map.js';
import { sliceAxis } from './pad.js';
import { precision } from './precision.js';
import { reshape } from './reshape.js';
import { softmax } from './softmax.js';
import { transpose } from './transpose.js';

const stored = { dtypes: ['float32', 'bfloat16'] } as const;

const inputs = {
  q: stored,
  k: stored,
  v: stored,
  mask: { dtypes: ['float32'], optional: true },
  bias: { dtypes: ['float32'], optional: true },
  state: { dtypes: ['int32'] },
} as const;

const attrs = {
  scale: { type: 'f32' },
  causal: { type: 'enum', values: ['no', 'yes'], default: 'no' },
  rate: { type: 'f32', default: 0 },
  stream: { type: 'u32', default: 0 },
  precision,
} as const;

function checkShapes({ q, k, v, mask, bias }: Readonly<Record<string, TensorType>>): void {
  const [b, tq, h, d] = q!.shape as [number, number, number, number];
  const tk = k!.shape[1]!;
  const fits =
    q!.shape.length === 4 &&
    sameShape(k!.shape, [b, tk, h, d]) &&
    v!.shape.length === 4 &&
    sameShape(v!.shape.slice(0, 3), [b, tk, h]);
  if (!fits) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Cannot attend with queries ${formatShape(q!.shape)} to keys ${formatShape(k!.shape)} and values ${formatShape(v!.shape)}`,
    );
  }
  if (mask && !sameShape(mask.shape, [b, tk])) {
    throw new GradstepError('ERR_SHAPE', `Expected a mask of shape [${b}, ${tk}] but received ${formatShape(mask.shape)}`);
  }
  const allowed = [[1, b], [1, h], [tq], [tk]];
  if (bias && !(bias.shape.length === 4 && bias.shape.every((size, i) => allowed[i]!.includes(size)))) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected a bias that broadcasts to [${b}, ${h}, ${tq}, ${tk}] over its first two axes but received ${formatShape(bias.shape)}`,
    );
  }
}

function constantInputs(): GradstepError {
  return new GradstepError('ERR_NOT_DIFFERENTIABLE', 'attention has no gradient with respect to its mask and bias');
}

export const attentionOp = defineOp({
  name: 'attention',
  inputs,
  outputs: { y: stored, lse: { dtypes: ['float32'] } },
  attrs,
  infer(given): Record<string, TensorType> {
    checkShapes(given);
    const [b, tq, h] = given.q!.shape as [number, number, number];
    return {
      y: { dtype: 'float32', shape: [b, tq, h, given.v!.shape[3]!] },
      lse: { dtype: 'float32', shape: [b, h, tq] },
    };
  },
  backward({ node, grads, needs }) {
    if (needs('bias') || needs('mask')) throw constantInputs();
    if (!grads.y || grads.lse) {
      throw new GradstepError('ERR_NOT_DIFFERENTIABLE', "attention has no gradient through its softmax's denominators");
    }
    const { y, lse } = node.outputs;
    const { dq, dk, dv } = grads.y.graph.add(attentionDxOp, { ...node.inputs, y, lse, dy: grads.y }, node.attrs).outputs;
    return { q: dq, k: dk, v: dv };
  },
});

export const attentionDxOp = defineOp({
  name: 'attentionDx',
  inputs: { ...inputs, y: stored, lse: { dtypes: ['float32'] }, dy: stored },
  outputs: { dq: stored, dk: stored, dv: stored },
  attrs,
  infer: ({ q, k, v }) => ({
    dq: { dtype: 'float32', shape: q!.shape },
    dk: { dtype: 'float32', shape: k!.shape },
    dv: { dtype: 'float32', shape: v!.shape },
  }),
  backward({ node, grads, needs }) {
    if (needs('bias') || needs('mask')) throw constantInputs();
    const { q, k, v, dy } = node.inputs;
    const found = pullBackTwice(
      { q, k, v },
      (given) => writtenOut(given, node),
      { y: dy },
      { q: grads.dq, k: grads.dk, v: grads.dv },
    );
    return { q: found.q, k: found.k, v: found.v, dy: found.dy };
  },
});

/** What attention makes of q, k and v by the other inputs and attributes of a node, with all its probabilities at once. */
function writtenOut({ q, k, v }: Named, { inputs: { mask, bias, state }, attrs }: Node): Named {
  const [b, tq, h] = q!.shape as [number, number, number];
  const tk = k!.shape[1]!;
  const { graph } = q!;
  const headed = (x: Value): Value => transpose(x, [0, 2, 1, 3]);
  const products = elementwise('mul', multiply(headed(q!), headed(k!), false, true), attrs.scale as number);
  const scores = bias ? elementwise('add', products, bias) : products;

  const seen: Value[] = [];
  if (mask) seen.push(elementwise('notEqual', reshape(mask, [b, 1, 1, tk]), 0));
  if (attrs.causal === 'yes') {
    const places = (n: number): Value => cumulativeSum(constant(graph, 1, [n]), 0);
    seen.push(elementwise('lessEqual', places(tk), reshape(places(tq), [tq, 1])));
  }
  const isSeen = seen.length > 0 ? seen.reduce((a, c) => elementwise('mul', a, c)) : undefined;
  // Among keys of which none is seen, each has a share that is then taken away.
  const weights = softmax(isSeen ? elementwise('where', isSeen, scores, HIDDEN) : scores);
  let probabilities = isSeen ? elementwise('mul', weights, isSeen) : weights;
  if ((attrs.rate as number) > 0) probabilities = elementwise('mul', probabilities, keptOf([b, h, tq, tk], state!, attrs));
  return { y: headed(multiply(probabilities, headed(v!))) };
}

const HIDDEN = -1e30;

/**
 * 1/(1 − rate) where a probability [B, H, Tq, Tk] is kept, else 0. A draw's four words are four neighbouring keys' here, and
 * elements 16 apart in dropout's blocks of 64.
 */
function keptOf(shape: readonly number[], state: Value, { rate, stream }: Node['attrs']): Value {
  const [b, h, tq, tk] = shape as [number, number, number, number];
  const groups = Math.ceil(tk / 4);
  const draws = b * h * tq * groups;
  const blocks = Math.ceil(draws / 16);
  const ones = constant(state.graph, 1, [blocks, 4, 16]);
  const byDraw = reshape(transpose(dropout(ones, state, rate as number, stream as number), [0, 2, 1]), [blocks * 16, 4]);
  return sliceAxis(reshape(sliceAxis(byDraw, 0, 0, draws), [b, h, tq, groups * 4]), 3, 0, tk);
}

export interface AttentionOptions {
  /** Factor of the products q·k. Default 1/√D. */
  scale?: number;
  /** Whether query i sees only the keys j ≤ i. Default false. */
  causal?: boolean;
  /** [B, Tk]: 0 for keys that are not seen. */
  mask?: Value;
  /** [B or 1, H or 1, Tq, Tk], added to the scores; constant: it has no gradient. */
  bias?: Value;
  /** Probability of each attention weight to be dropped, in [0, 1). Default 0. */
  rate?: number;
  /** Random stream of the dropping. */
  stream?: number;
}

/** Attention of q [B, Tq, H, D] to k [B, Tk, H, D] and v [B, Tk, H, E]: [B, Tq, H, E]. */
export function attention(q: Value, k: Value, v: Value, state: Value, options: AttentionOptions = {}): Value {
  const { scale = 1 / Math.sqrt(q.shape[3]!), causal = false, mask, bias, rate = 0, stream = 0 } = options;
  const given = { scale, causal: causal ? 'yes' : 'no', rate, stream };
  return q.graph.add(attentionOp, { q, k, v, mask, bias, state }, given).outputs.y!;
}
