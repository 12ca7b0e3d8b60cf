/**
 * attention and its gradient against the plain formula: more and fewer queries and keys than a block, values of another
 * width than keys, causal, masks and biases of every extent, dropped weights (computed here from Philox), rows that see
 * no key. Gradients of long cases are compared with the formula's own, written out. Where the precision rounds, what products
 * multiply is rounded: queries, keys, values, dy; e^(score − largest score so far), by blocks of 64 keys; and in the gradient probabilities
 * and the gradients of scores.
 */
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { Value } from '../../lib/graph/graph.js';
import { attention, attentionDxOp, attentionOp, type AttentionOptions } from '../../lib/ops/attention.js';
import { philox4x32 } from '../helpers/philox.js';
import { flat, STATE, type CaseInput, type Numbers, type OpCase } from './op_case.js';
import { ROUNDED, roundingOf, surely, type Rounded } from './rounded_operand.js';

interface Sizes {
  b?: number;
  tq: number;
  tk?: number;
  h?: number;
  d: number;
  e?: number;
  causal?: boolean;
  scale?: number;
  rate?: number;
  stream?: number;
  state?: number[];
  mask?: readonly number[];
  biasShape?: readonly number[];
  precision?: Rounded;
  /** What was computed may lie so near a tie that float32 could round it the other way. Otherwise such cases are refused. */
  ties?: boolean;
}

type Given = 'mask' | 'biasShape' | 'precision' | 'ties';
type Full = Required<Omit<Sizes, Given>> & Pick<Sizes, Given>;

/** Keys whose largest score is looked for at a time. */
const BLOCK = 64;

const filled = (s: Sizes): Full => ({
  b: 1,
  tk: s.tq,
  h: 1,
  e: s.d,
  causal: false,
  scale: 1 / Math.sqrt(s.d),
  rate: 0,
  stream: 0,
  state: [0, 0, 0, 0],
  ...s,
});

/** What each weight [b, h, i, j] is multiplied by. */
function keepOf({ tq, tk, h, rate, stream, state }: Full, b: number, head: number, i: number, j: number): number {
  if (rate === 0) return 1;
  const [step, , low, high] = state as [number, number, number, number];
  const held = Math.fround(rate);
  const draw = ((b * h + head) * tq + i) * Math.ceil(tk / 4) + Math.floor(j / 4);
  const words = philox4x32([draw, 0, step, 0], [(low ^ stream) >>> 0, high >>> 0]);
  return (words[j % 4]! >>> 8) * 2 ** -24 >= held ? 1 / (1 - held) : 0;
}

/** y in float64, and with `dy` the gradients by q, k and v; by the numbers of `o` instead of y where they are given. */
function formula(
  s: Full,
  backend: 'cpu' | 'cuda',
  given: Numbers,
  slopes?: readonly number[],
): Record<'y' | 'q' | 'k' | 'v', number[]> {
  const { b, tq, tk, h, d, e } = s;
  const operand = roundingOf(s.precision ?? 'float32', backend);
  const made = s.ties ? operand : surely(operand);
  const x = { ...given, q: given.q!.map(operand), k: given.k!.map(operand), v: given.v!.map(operand) } as Numbers;
  const dy = slopes?.map(operand);
  const [qs, ks, vs, ys] = [
    [b, tq, h, d],
    [b, tk, h, d],
    [b, tk, h, e],
    [b, tq, h, e],
  ] as const;
  const zeros = (shape: readonly number[]): number[] => new Array<number>(shape.reduce((n, v) => n * v, 1)).fill(0);
  const out = { y: zeros(ys), q: zeros(qs), k: zeros(ks), v: zeros(vs) };
  const biasAt = (n: number, head: number, i: number, j: number): number =>
    s.biasShape ? x.bias![flat(s.biasShape, [s.biasShape[0] === 1 ? 0 : n, s.biasShape[1] === 1 ? 0 : head, i, j])]! : 0;
  for (let n = 0; n < b; n++) {
    for (let head = 0; head < h; head++) {
      for (let i = 0; i < tq; i++) {
        const scores = Array.from({ length: tk }, (_, j) => {
          if ((s.causal && j > i) || (s.mask && x.mask![n * tk + j] === 0)) return -Infinity;
          let product = 0;
          for (let c = 0; c < d; c++) product += x.q![flat(qs, [n, i, head, c])]! * x.k![flat(ks, [n, j, head, c])]!;
          return product * Math.fround(s.scale) + biasAt(n, head, i, j);
        });
        const most = Math.max(...scores);
        if (most === -Infinity) continue;
        const exps = scores.map((v) => Math.exp(v - most));
        const total = exps.reduce((t, v) => t + v, 0);
        const p = exps.map((v) => v / total);
        const keep = p.map((_, j) => keepOf(s, n, head, i, j));
        let sofar = -Infinity;
        for (let j = 0; j < tk; j++) {
          if (j % BLOCK === 0) sofar = Math.max(sofar, ...scores.slice(j, j + BLOCK));
          if (scores[j] === -Infinity) continue;
          const weight = (made(Math.exp(scores[j]! - sofar) * keep[j]!) * Math.exp(sofar - most)) / total;
          for (let c = 0; c < e; c++) out.y[flat(ys, [n, i, head, c])]! += weight * x.v![flat(vs, [n, j, head, c])]!;
        }
        if (!dy) continue;
        const dp = p.map((_, j) => {
          let product = 0;
          for (let c = 0; c < e; c++) product += dy[flat(ys, [n, i, head, c])]! * x.v![flat(vs, [n, j, head, c])]!;
          return product * keep[j]!;
        });
        let mean = 0;
        for (let c = 0; c < e; c++) mean += slopes![flat(ys, [n, i, head, c])]! * (given.o ?? out.y)[flat(ys, [n, i, head, c])]!;
        for (let j = 0; j < tk; j++) {
          const ds = made(p[j]! * (dp[j]! - mean) * Math.fround(s.scale));
          for (let c = 0; c < d; c++) {
            out.q[flat(qs, [n, i, head, c])]! += ds * x.k![flat(ks, [n, j, head, c])]!;
            out.k[flat(ks, [n, j, head, c])]! += ds * x.q![flat(qs, [n, i, head, c])]!;
          }
          for (let c = 0; c < e; c++) {
            out.v[flat(vs, [n, j, head, c])]! += made(p[j]! * keep[j]!) * dy[flat(ys, [n, i, head, c])]!;
          }
        }
      }
    }
  }
  return out;
}

function inputsOf(s: Full, dy: boolean): Record<string, CaseInput> {
  const { b, tq, tk, h, d, e } = s;
  return {
    q: { shape: [b, tq, h, d], range: [-2, 2] },
    k: { shape: [b, tk, h, d], range: [-2, 2] },
    v: { shape: [b, tk, h, e] },
    ...(s.mask ? { mask: { shape: [b, tk], data: s.mask } } : {}),
    ...(s.biasShape ? { bias: { shape: s.biasShape, range: [-3, 3] as const } } : {}),
    ...(dy ? { dy: { shape: [b, tq, h, e] } } : {}),
    state: { ...STATE, data: s.state },
  };
}

function optionsOf(s: Full, { mask, bias }: Record<string, Value>): AttentionOptions {
  const { causal, scale, rate, stream } = s;
  return { causal, scale, rate, stream, ...(mask ? { mask } : {}), ...(bias ? { bias } : {}) };
}

const attrsOf = ({ scale, causal, rate, stream, precision }: Full) =>
  ({ scale, causal: causal ? 'yes' : 'no', rate, stream, precision: precision ?? 'float32' }) as const;

function rounded(s: Full, { q, k, v, mask, bias, state }: Record<string, Value>): Value {
  return q!.graph.add(attentionOp, { q, k, v, mask, bias, state }, attrsOf(s)).outputs.y!;
}

/** Sizes at which the walk's central differences are quick. */
function small(name: string, sizes: Sizes): OpCase {
  const s = filled(sizes);
  return {
    name,
    inputs: inputsOf(s, false),
    build: (x) => ({ y: attention(x.q!, x.k!, x.v!, x.state!, optionsOf(s, x)) }),
    reference: (x, backend) => ({ y: formula(s, backend, x).y }),
    gradients: ['q', 'k', 'v'],
    terms: 4 * Math.max(s.tq, s.tk, s.d, s.e),
  };
}

/** Larger ones: y, and the gradients of Σ y·dy, are outputs. */
function large(name: string, sizes: Sizes): OpCase {
  const s = filled(sizes);
  return {
    name,
    inputs: inputsOf(s, true),
    build: (x) => {
      const y = s.precision ? rounded(s, x) : attention(x.q!, x.k!, x.v!, x.state!, optionsOf(s, x));
      const [dq, dk, dv] = gradients(sum(elementwise('mul', y, x.dy!)), [x.q!, x.k!, x.v!]) as [Value, Value, Value];
      return { y, dq, dk, dv };
    },
    reference: (x, backend) => {
      const { y, q, k, v } = formula(s, backend, x, x.dy);
      return { y, dq: q, dk: k, dv: v };
    },
    gradients: [],
    terms: 4 * Math.max(s.tq, s.tk, s.d, s.e),
  };
}

/** The gradients differentiated in turn: by queries, keys, values and the gradient that arrives. */
function twice(name: string, sizes: Sizes): OpCase {
  const made = large(`differentiated twice: ${name}`, sizes);
  return { ...made, gradients: ['q', 'k', 'v', 'dy'], terms: 16 * made.terms! };
}

/**
 * Both ops with tensors in bfloat16: all, and two mixtures in which each is in either type. The gradient is given numbers `o` for y,
 * so that the reference knows how they are rounded.
 */
function stored(name: string, sizes: Sizes, narrow: OpCase['narrow'] = MIXTURES): OpCase {
  const s = filled({ ...sizes, precision: 'bfloat16', ties: true });
  return {
    name: `${name}, stored in bfloat16`,
    inputs: { ...inputsOf(s, true), o: { shape: [s.b, s.tq, s.h, s.e] } },
    build: ({ dy, o, ...rest }) => {
      const { y, lse } = dy!.graph.add(attentionOp, rest, attrsOf(s)).outputs;
      return { y: y!, ...dy!.graph.add(attentionDxOp, { ...rest, y: o, lse, dy }, attrsOf(s)).outputs };
    },
    reference: (x, backend) => {
      const { y, q, k, v } = formula(s, backend, x, x.dy);
      return { y, dq: q, dk: k, dv: v };
    },
    gradients: [],
    terms: 4 * Math.max(s.tq, s.tk, s.d, s.e),
    narrow,
  };
}

const ALL = ['q', 'k', 'v', 'o', 'dy', 'y', 'dq', 'dk', 'dv'];
const SOME = ['q', 'v', 'o', 'y', 'dk'];
const MIXTURES = [ALL, SOME, ALL.filter((n) => !SOME.includes(n))];

const DROPPED = { rate: 0.3, stream: 5, state: [2, 0, 1, 0] };

export const cases: OpCase[] = [
  small('one of everything', { tq: 1, d: 1 }),
  small('two heads, values wider than keys', { b: 2, tq: 3, tk: 4, h: 2, d: 3, e: 5 }),
  small('causal', { tq: 5, h: 2, d: 4, causal: true }),
  small('causal, more queries than keys', { tq: 5, tk: 3, d: 4, causal: true }),
  small('another scale', { tq: 3, d: 4, scale: 0.3 }),
  small('a mask; one sample sees no key', { b: 3, tq: 2, tk: 4, h: 2, d: 4, mask: [1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0] }),
  small('a bias for each sample and head', { b: 2, tq: 3, tk: 2, h: 2, d: 4, biasShape: [2, 2, 3, 2] }),
  small('a bias for each head', { b: 2, tq: 3, tk: 2, h: 2, d: 4, biasShape: [1, 2, 3, 2] }),
  small('a bias for each sample', { b: 2, tq: 3, tk: 2, h: 2, d: 4, biasShape: [2, 1, 3, 2] }),
  small('a bias for each sample and head, keys in packs', { b: 2, tq: 3, tk: 4, h: 2, d: 4, biasShape: [2, 2, 3, 4] }),
  small('half of the weights dropped', { b: 2, tq: 3, tk: 5, h: 2, d: 4, rate: 0.5, stream: 99, state: [3, 0, 7, 1] }),
  twice('one of everything', { tq: 1, d: 1 }),
  twice('two heads, values wider than keys', { b: 2, tq: 3, tk: 2, h: 2, d: 2, e: 3 }),
  twice('causal, another scale', { tq: 3, tk: 4, h: 2, d: 2, causal: true, scale: 0.3 }),
  twice('a mask; one sample sees no key', { b: 3, tq: 2, tk: 4, d: 2, mask: [1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0] }),
  twice('causal, a mask and a bias', { b: 2, tq: 3, d: 2, causal: true, mask: [1, 0, 1, 0, 1, 1], biasShape: [2, 1, 3, 3] }),
  twice('weights dropped', { b: 2, tq: 3, tk: 5, h: 2, d: 2, rate: 0.5, stream: 99, state: [3, 0, 7, 1] }),
  twice('weights dropped in several blocks', { tq: 5, tk: 18, d: 1, rate: 0.3, stream: 7, state: [1, 0, 7, 1] }),
  large('more keys than a block, odd sizes', { tq: 70, tk: 133, h: 2, d: 18, e: 7 }),
  large('fewer keys than queries', { b: 2, tq: 67, tk: 3, d: 16 }),
  large('causal over several blocks', { tq: 150, h: 3, d: 32, causal: true }),
  large('causal, one head: threads split its keys', { tq: 100, d: 16, causal: true }),
  large('causal, keys that no query sees', { tq: 5, tk: 140, d: 8, causal: true }),
  large('wide heads: two slices of columns', { tq: 40, tk: 66, d: 100, e: 72 }),
  large('wider heads: two groups of slices', { tq: 9, tk: 6, d: 20, e: 200 }),
  large('wider keys than values', { tq: 9, tk: 6, d: 132, e: 20 }),
  large('everything at once', {
    b: 2,
    tq: 71,
    tk: 90,
    h: 2,
    d: 12,
    e: 20,
    causal: true,
    rate: 0.3,
    stream: 0xdeadbeef,
    state: [1000, 0, -7, 99],
    mask: Array.from({ length: 180 }, (_, i) => ((i * 7) % 5 < 3 ? 1 : 0)),
    biasShape: [1, 1, 71, 90],
  }),
  large('a mask and a bias, keys in packs', {
    ...{ b: 2, tq: 20, tk: 92, h: 2, d: 12, e: 20, causal: true },
    mask: Array.from({ length: 184 }, (_, i) => ((i * 7) % 5 < 3 ? 1 : 0)),
    biasShape: [2, 1, 20, 92],
  }),
  large('in bfloat16: one of everything', { tq: 1, d: 1, precision: 'bfloat16' }),
  large('in bfloat16: two heads, values wider than keys', { tq: 3, tk: 4, h: 2, d: 3, e: 5, precision: 'bfloat16' }),
  large('in bfloat16: causal', { tq: 5, h: 2, d: 4, causal: true, precision: 'bfloat16' }),
  large('in bfloat16: dropped, masked, with a bias', {
    ...{ b: 2, tq: 3, tk: 5, h: 2, d: 4, rate: 0.5, stream: 99, state: [3, 0, 7, 1], precision: 'bfloat16' },
    ...{ mask: [1, 0, 1, 1, 1, 0, 0, 0, 0, 0], biasShape: [1, 2, 3, 5] },
  }),
  large('in bfloat16: several blocks', { tq: 70, tk: 133, h: 2, d: 18, e: 7, precision: 'bfloat16', ties: true }),
  large('in bfloat16: wide heads, causal', { tq: 40, tk: 66, d: 100, e: 72, causal: true, precision: 'bfloat16', ties: true }),
  large('in tf32: two heads, values wider than keys', { tq: 3, tk: 4, h: 2, d: 3, e: 5, precision: 'tf32' }),
  large('in tf32: causal, several blocks', { tq: 66, d: 8, causal: true, precision: 'tf32', ties: true }),
  large('in tf32: wide heads', { tq: 66, tk: 9, d: 68, e: 72, precision: 'tf32', ties: true }),
  large('in tf32: dropped', { ...DROPPED, tq: 3, tk: 70, d: 5, precision: 'tf32', ties: true }),
  ...ROUNDED.map((precision) =>
    large(`in ${precision}: wide heads, dropped`, { ...DROPPED, tq: 9, tk: 70, d: 68, e: 72, precision, ties: true }),
  ),
  stored('one of everything', { tq: 1, d: 1 }, [ALL]),
  stored('two heads, values wider than keys', { b: 2, tq: 3, tk: 5, h: 2, d: 4, e: 8 }),
  stored('causal, one head: threads split its keys', { tq: 100, d: 16, causal: true }, [ALL]),
  stored('odd heads, dropped, masked', {
    ...{ b: 2, tq: 3, tk: 5, h: 2, d: 3, e: 7, rate: 0.5, stream: 99, state: [3, 0, 7, 1] },
    mask: [1, 0, 1, 1, 1, 0, 0, 0, 0, 0],
  }),
  stored('several blocks', { tq: 70, tk: 66, h: 2, d: 20, e: 12 }),
  stored('wide heads', { tq: 9, tk: 67, d: 68, e: 72 }, [ALL]),
];
