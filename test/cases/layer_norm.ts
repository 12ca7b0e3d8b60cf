/**
 * layerNorm over the last axes, and as rms: with and without gamma and beta, odd lengths, rows longer than a block, several
 * threads, a mean that is large beside the deviation. The larger cases compare gradients with the formula. Both ops alone, with
 * mixtures of tensors in bfloat16.
 */
import type { Value } from '../../lib/graph/graph.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { layerNorm, layerNormGradOp, layerNormOp, rmsNorm } from '../../lib/ops/layer_norm.js';
import { elementwise } from '../../lib/ops/map.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';

interface Situation {
  shape: number[];
  /** How many of the last axes. */
  axes?: number;
  rms?: boolean;
  epsilon?: number;
  gamma?: boolean;
  beta?: boolean;
  x?: Partial<CaseInput>;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
const parameters = ({ shape, axes = 1 }: Situation): number[] => shape.slice(shape.length - axes);

/** y, dx, dgamma and dbeta in float64. */
function reference(s: Situation, n: Numbers): Record<'y' | 'dx' | 'dgamma' | 'dbeta', number[]> {
  const { epsilon = 1e-3, rms = false } = s;
  const length = sizeOf(parameters(s));
  const [gamma, beta] = [n.gamma ?? new Array<number>(length).fill(1), n.beta ?? new Array<number>(length).fill(0)];
  const made = { y: [] as number[], dx: [] as number[], dgamma: gamma.map(() => 0), dbeta: gamma.map(() => 0) };
  const mean = (v: readonly number[]): number => v.reduce((t, e) => t + e, 0) / v.length;
  for (let at = 0; at < n.x!.length; at += length) {
    const x = n.x!.slice(at, at + length);
    const dy = n.dy?.slice(at, at + length) ?? x.map(() => 0);
    const centre = rms ? 0 : mean(x);
    const rstd = 1 / Math.sqrt(mean(x.map((v) => (v - centre) ** 2)) + epsilon);
    const hat = x.map((v) => (v - centre) * rstd);
    const g = dy.map((v, i) => v * gamma[i]!);
    const [a, b] = [rms ? 0 : mean(g), mean(g.map((v, i) => v * hat[i]!))];
    hat.forEach((h, i) => {
      made.y.push(h * gamma[i]! + beta[i]!);
      made.dx.push(rstd * (g[i]! - a - h * b));
      made.dgamma[i]! += dy[i]! * h;
      made.dbeta[i]! += dy[i]!;
    });
  }
  return made;
}

function inputsOf(s: Situation): Record<string, CaseInput> {
  const { shape, gamma = true, beta = !s.rms, x = {} } = s;
  return {
    x: { shape, range: [-2, 3], ...x },
    ...(gamma ? { gamma: { shape: parameters(s), range: [0.5, 1.5] } } : {}),
    ...(beta ? { beta: { shape: parameters(s) } } : {}),
  };
}

function apply({ axes, rms = false, epsilon = 1e-3 }: Situation, v: Record<string, Value>): Value {
  return rms ? rmsNorm(v.x!, v.gamma, epsilon, { axes }) : layerNorm(v.x!, v.gamma, v.beta, epsilon, { axes });
}

/** y, differentiated by differences. */
function small(name: string, s: Situation, extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: inputsOf(s),
    build: (v) => ({ y: apply(s, v) }),
    reference: (n) => ({ y: reference(s, n).y }),
    terms: 64,
    ...extra,
  };
}

/** y and every gradient, against the formulas. */
function full(name: string, s: Situation, extra: Partial<OpCase> = {}): OpCase {
  return {
    name: `${name}, by formula`,
    inputs: { ...inputsOf(s), dy: { shape: s.shape } },
    build: (v) => {
      const y = apply(s, v);
      const names = ['x', 'gamma', 'beta'].filter((input) => v[input]);
      const slopes = gradients(
        sum(elementwise('mul', y, v.dy!)),
        names.map((input) => v[input]!),
      );
      return { y, ...Object.fromEntries(names.map((input, i) => [`d${input}`, slopes[i]!])) };
    },
    reference: (n) => {
      const { dgamma, dbeta, ...rest } = reference(s, n);
      return { ...rest, ...(n.gamma ? { dgamma } : {}), ...(n.beta ? { dbeta } : {}) };
    },
    gradients: [],
    terms: 64,
    ...extra,
  };
}

/** The gradients differentiated in turn: by x, the parameters and the gradient that arrives. */
function twice(name: string, s: Situation): OpCase {
  const made = full(`${name}${s.rms ? ' as rms' : ''}, differentiated twice`, s);
  return { ...made, gradients: Object.keys(made.inputs) };
}

/** layerNorm alone, and its gradient by the statistics that it leaves, with mixtures of tensors in bfloat16. */
function stored(name: string, s: Situation, narrow: OpCase['narrow']): OpCase {
  const length = sizeOf(parameters(s));
  const { gamma: withGamma = true, rms = false, epsilon = 1e-3 } = s;
  const attrs = { length, kind: rms ? 'rms' : 'standard' };
  return {
    name: `${name}, in bfloat16`,
    inputs: { ...inputsOf(s), dy: { shape: s.shape } },
    build: ({ x, gamma, beta, dy }) => {
      const { y, mean, rstd } = x!.graph.add(layerNormOp, { x, gamma, beta }, { ...attrs, epsilon }).outputs;
      const withParameters = withGamma ? 'yes' : 'no';
      const made = x!.graph.add(layerNormGradOp, { x, dy, gamma, mean, rstd }, { ...attrs, withParameters }).outputs;
      return { y: y!, ...made };
    },
    reference: (n) => {
      const { dgamma, dbeta, ...rest } = reference(s, n);
      return { ...rest, ...(withGamma ? { dgamma, dbeta } : {}) };
    },
    gradients: [],
    terms: 32,
    narrow,
  };
}

export const cases: OpCase[] = [
  small('[5, 7]', { shape: [5, 7] }),
  small('[2, 3, 4]', { shape: [2, 3, 4] }),
  small('two axes', { shape: [3, 2, 5], axes: 2 }),
  small('every axis', { shape: [3, 4], axes: 2 }),
  small('one element', { shape: [3, 1] }),
  small('33 elements', { shape: [2, 33] }),
  small('without gamma', { shape: [4, 6], gamma: false }),
  small('without beta', { shape: [4, 6], beta: false }),
  small('without either', { shape: [4, 6], gamma: false, beta: false }),
  small('another epsilon', { shape: [4, 6], epsilon: 0.5 }),
  small('by x alone', { shape: [4, 6] }, { gradients: ['x'] }),
  small('rms', { shape: [4, 6], rms: true }),
  small('rms of two axes', { shape: [3, 2, 5], axes: 2, rms: true }),
  small('rms without gamma', { shape: [4, 5], rms: true, gamma: false }),
  small('rms of one element', { shape: [3, 1], rms: true }),
  ...[false, true].flatMap((rms) => [
    twice('[3, 5]', { shape: [3, 5], rms }),
    twice('[2, 2, 3] over two axes, without parameters', { shape: [2, 2, 3], axes: 2, gamma: false, beta: false, rms }),
  ]),
  full('[130, 260], several threads', { shape: [130, 260] }),
  full('[300, 65], several threads', { shape: [300, 65] }),
  full('[1501, 6]: many blocks of short rows', { shape: [1501, 6] }),
  full('rms of 20: many blocks of short rows', { shape: [403, 20], rms: true }),
  full('[70, 128]: a pack for each lane', { shape: [70, 128] }),
  full('[70, 200]: two packs', { shape: [70, 200] }),
  full('[19, 1024]: a pack for each thread', { shape: [19, 1024] }),
  full('rows of 4,096', { shape: [3, 4096], rms: true }),
  full('rows of 4,100', { shape: [3, 4100] }),
  full('rows of 2,052', { shape: [9, 2052] }),
  full('rows of 2,049', { shape: [3, 2049], beta: false }),
  full('rms of 2,052', { shape: [9, 2052], rms: true }),
  full('rms of 77, several threads', { shape: [260, 77], rms: true }),
  full('[3, 6, 6, 20] over three axes', { shape: [3, 6, 6, 20], axes: 3 }),
  stored('[50, 24], short rows', { shape: [50, 24] }, [['x', 'y', 'dy', 'dx'], ['x'], ['y', 'dy'], ['dx']]),
  stored('[300, 65], several threads', { shape: [300, 65] }, [['x', 'y', 'dy', 'dx']]),
  stored('rms of 20', { shape: [43, 20], rms: true }, [
    ['x', 'y', 'dy', 'dx'],
    ['x', 'dx'],
  ]),
  stored('[20, 200] without gamma', { shape: [20, 200], gamma: false }, [['x', 'y', 'dy', 'dx'], ['dy']]),
  stored('[20, 200]: two packs', { shape: [20, 200] }, [['x', 'y', 'dy', 'dx']]),
  stored('[9, 384]', { shape: [9, 384] }, [['x', 'y', 'dy', 'dx']]),
  stored('[3, 1024]: a pack for each thread', { shape: [3, 1024] }, [['x', 'y', 'dy', 'dx']]),
  stored('rows of 2,052', { shape: [2, 2052] }, [['x', 'y', 'dy', 'dx']]),
  stored('rows of 2,056', { shape: [2, 2056] }, [['x', 'y', 'dy', 'dx']]),
  stored('rows of 4,104', { shape: [1, 4104] }, [['x', 'y', 'dy', 'dx']]),
  // Each x is exact to half a unit in the last place, 3e-5 at 1,000; the same error of the mean is 2e-4 deviations.
  small(
    'a mean of thousands of deviations',
    {
      shape: [2, 600],
      epsilon: 1e-8,
      x: { data: Array.from({ length: 1200 }, (_, i) => Math.fround(1000 + 0.25 * Math.sin(i * 1.7))) },
    },
    { gradients: [], terms: 800 },
  ),
];
