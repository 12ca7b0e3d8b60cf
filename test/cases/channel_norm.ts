/**
 * channelNorm as batch and group normalisation, with and without gamma, beta, relu and a residual: few channels and many,
 * one row, several threads; a mean that is large beside the deviation. Its gradients also at sizes where central differences
 * would take too long, against the formula. Both ops alone, with mixtures of tensors in bfloat16.
 */
import type { Value } from '../../lib/graph/graph.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { batchNorm, channelNormGradOp, channelNormOp, groupNorm, type Normalised } from '../../lib/ops/channel_norm.js';
import { elementwise } from '../../lib/ops/map.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';

interface Situation {
  shape: number[];
  /** Absent: batch normalisation. */
  groups?: number;
  epsilon?: number;
  relu?: boolean;
  gamma?: boolean;
  beta?: boolean;
  /** What is added behind the normalisation is −residual: a gradient that is the last of its chain goes to a variable. */
  residual?: 'left' | 'right';
  x?: Partial<CaseInput>;
}

interface Reference {
  y: number[];
  mean: number[];
  variance: number[];
  dx: number[];
  dgamma: number[];
  dbeta: number[];
  dresidual: number[];
}

/** Everything in float64; `dy` may be left out where gradients are not asked for. Statistics and y may be given. */
function reference({ shape, groups, epsilon = 1e-3, relu = false }: Situation, n: Numbers): Reference {
  const { x, gamma, beta, dy, residual, y: result } = n as Partial<Numbers> & { x: readonly number[] };
  const channels = shape.at(-1)!;
  const samples = groups === undefined ? 1 : shape[0]!;
  const each = channels / (groups ?? channels);
  const groupOf = (i: number): number =>
    Math.floor((i * samples) / x.length) * (channels / each) + Math.floor((i % channels) / each);
  const count = (x.length * each) / channels / samples;
  const perGroup = (f: (i: number) => number): number[] => {
    const totals = new Array<number>((samples * channels) / each).fill(0);
    x.forEach((_, i) => (totals[groupOf(i)]! += f(i)));
    return totals;
  };
  const mean = [...(n.mean ?? perGroup((i) => x[i]! / count))];
  const variance = [...(n.variance ?? perGroup((i) => (x[i]! - mean[groupOf(i)]!) ** 2 / count))];
  const rstd = variance.map((v) => 1 / Math.sqrt(v + epsilon));
  const hat = x.map((v, i) => (v - mean[groupOf(i)]!) * rstd[groupOf(i)]!);
  const g = (i: number): number => gamma?.[i % channels] ?? 1;
  const linear = hat.map((v, i) => v * g(i) + (beta?.[i % channels] ?? 0) - (residual?.[i] ?? 0));
  const y = relu ? linear.map((v) => Math.max(v, 0)) : linear;
  const given = x.map((_, i) => (relu && (result ?? linear)[i]! <= 0 ? 0 : (dy?.[i] ?? 0)));
  const a = perGroup((i) => (g(i) * given[i]!) / count);
  const b = perGroup((i) => (g(i) * given[i]! * hat[i]!) / count);
  const dx = x.map((_, i) => rstd[groupOf(i)]! * (g(i) * given[i]! - a[groupOf(i)]! - hat[i]! * b[groupOf(i)]!));
  const perChannel = (f: (i: number) => number): number[] => {
    const totals = new Array<number>(channels).fill(0);
    x.forEach((_, i) => (totals[i % channels]! += f(i)));
    return totals;
  };
  const dgamma = perChannel((i) => given[i]! * hat[i]!);
  return { y, mean, variance, dx, dgamma, dbeta: perChannel((i) => given[i]!), dresidual: given.map((v) => -v) };
}

function inputsOf({ shape, gamma = true, beta = true, residual, x = {} }: Situation): Record<string, CaseInput> {
  const channels = [shape.at(-1)!];
  return {
    x: { shape, range: [-2, 3], ...x },
    ...(gamma ? { gamma: { shape: channels, range: [0.5, 1.5] } } : {}),
    ...(beta ? { beta: { shape: channels } } : {}),
    ...(residual ? { residual: { shape } } : {}),
  };
}

function apply({ groups, epsilon = 1e-3, relu = false, residual }: Situation, v: Record<string, Value>): Normalised {
  const shortcut = residual && elementwise('neg', v.residual!);
  const made =
    groups === undefined ? batchNorm(v.x!, v.gamma, v.beta, epsilon) : groupNorm(v.x!, v.gamma, v.beta, groups, epsilon);
  const added = shortcut ? (residual === 'left' ? [shortcut, made.y] : [made.y, shortcut]) : undefined;
  const y = added ? elementwise('add', ...added) : made.y;
  return { ...made, y: relu ? elementwise('relu', y) : y };
}

const rowsOf = ({ shape }: Situation): number => shape.reduce((n, d) => n * d, 1) / shape.at(-1)!;

/** y alone, differentiated by differences. */
function small(name: string, s: Situation, extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: inputsOf(s),
    build: (v) => ({ y: apply(s, v).y }),
    reference: (n) => ({ y: reference(s, n).y }),
    terms: 4 * rowsOf(s),
    ...extra,
  };
}

/** y, the statistics and every gradient, against the formulas. */
function full(name: string, s: Situation, extra: Partial<OpCase> = {}): OpCase {
  const wrt = (v: Record<string, Value>): string[] => ['x', 'gamma', 'beta', 'residual'].filter((input) => v[input]);
  return {
    name: `${name}, by formula`,
    inputs: { ...inputsOf(s), dy: { shape: s.shape } },
    build: (v) => {
      const { y, mean, variance } = apply(s, v);
      const names = wrt(v);
      const slopes = gradients(
        sum(elementwise('mul', y, v.dy!)),
        names.map((input) => v[input]!),
      );
      return { y, mean, variance, ...Object.fromEntries(names.map((input, i) => [`d${input}`, slopes[i]!])) };
    },
    reference: (n) => {
      const { dgamma, dbeta, dresidual, ...rest } = reference(s, n);
      return { ...rest, ...(n.gamma && { dgamma }), ...(n.beta && { dbeta }), ...(n.residual && { dresidual }) };
    },
    gradients: [],
    terms: 4 * Math.sqrt(rowsOf(s)),
    ...extra,
  };
}

/** The gradients differentiated in turn, with the statistics: by x, the parameters and the gradient that arrives. */
function twice(name: string, s: Situation): OpCase {
  const made = full(`${name}, differentiated twice`, s);
  return { ...made, gradients: Object.keys(made.inputs), terms: 64 };
}

/** y and the statistics. */
function forward(name: string, s: Situation, extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: inputsOf(s),
    build: (v) => ({ ...apply(s, v) }),
    reference: (n) => {
      const { y, mean, variance } = reference(s, n);
      return { y, mean, variance };
    },
    gradients: [],
    ...extra,
  };
}

/** The op with its residual and activation, without a fusion that puts them there. */
function direct(activation: 'linear' | 'relu'): OpCase {
  const s: Situation = { shape: [5, 6], relu: activation === 'relu', residual: 'right' };
  const attrs = { samples: 1, groups: 6, epsilon: 1e-3, activation };
  return {
    ...small(`a residual of the op itself, ${activation}`, s),
    build: ({ x, gamma, beta, residual }) => {
      const inputs = { x, gamma, beta, residual: elementwise('neg', residual!) };
      return { y: x!.graph.add(channelNormOp, inputs, attrs).outputs.y! };
    },
  };
}

const attributesOf = ({ shape, groups, epsilon = 1e-3, relu = false }: Situation): Record<string, number | string> => ({
  samples: groups === undefined ? 1 : shape[0]!,
  groups: groups ?? shape.at(-1)!,
  epsilon,
  activation: relu ? 'relu' : 'linear',
});

/** channelNorm alone. */
function stored(name: string, s: Situation, narrow: OpCase['narrow']): OpCase {
  return {
    name: `${name}, in bfloat16`,
    inputs: inputsOf(s),
    build: ({ x, gamma, beta, residual }) => x!.graph.add(channelNormOp, { x, gamma, beta, residual }, attributesOf(s)).outputs,
    reference: (n) => {
      const { y, mean, variance } = reference(s, { ...n, ...(n.residual && { residual: n.residual.map((v) => -v) }) });
      return { y, mean, variance };
    },
    gradients: [],
    terms: 32,
    narrow,
  };
}

/** channelNormGrad alone, of statistics that need not be those of x, and with a residual of the result y. */
function storedGrad(name: string, s: Situation, narrow: OpCase['narrow']): OpCase {
  const { samples, groups } = attributesOf(s) as { samples: number; groups: number };
  const { x, gamma, beta } = inputsOf(s);
  return {
    name: `${name}, gradient in bfloat16`,
    inputs: {
      ...{ x: x!, gamma: gamma!, beta: beta!, dy: { shape: s.shape }, ...(s.residual && { y: { shape: s.shape } }) },
      mean: { shape: [samples * groups], range: [0.3, 0.7] },
      variance: { shape: [samples * groups], range: [1, 2] },
    },
    build: (v) => v.x!.graph.add(channelNormGradOp, { ...v }, { ...attributesOf(s), withDx: 'yes' }).outputs,
    reference: (n) => {
      const { dx, dgamma, dbeta, dresidual } = reference(s, n);
      return { dx, dgamma, dbeta, ...(s.residual && { dresidual: dresidual.map((v) => -v) }) };
    },
    gradients: [],
    terms: 32,
    narrow,
  };
}

/** Numbers around `mean`, `deviation` wide, as float32 holds them; each channel another. */
function around(mean: number, deviation: number, size: number, channels: number): number[] {
  return Array.from({ length: size }, (_, i) =>
    Math.fround(mean * (1 + (i % channels)) + deviation * Math.sin(i * 1.7 + Math.floor(i / channels))),
  );
}

export const cases: OpCase[] = [
  small('[5, 7]', { shape: [5, 7] }),
  small('[3, 2, 2, 4]', { shape: [3, 2, 2, 4] }),
  small('rows beyond a whole number of widened ones', { shape: [70, 3] }, { gradients: ['gamma', 'beta'] }),
  small('one channel', { shape: [9, 1] }),
  small('one row', { shape: [1, 4] }),
  small('without gamma', { shape: [6, 5], gamma: false }),
  small('without beta', { shape: [6, 5], beta: false }),
  small('without either', { shape: [6, 5], gamma: false, beta: false }),
  small('another epsilon', { shape: [6, 5], epsilon: 0.5 }),
  small('relu', { shape: [6, 5], relu: true }),
  small('relu without beta', { shape: [2, 4, 5], relu: true, beta: false }),
  small('relu without gamma', { shape: [8, 6], relu: true, gamma: false }),
  small('x is data', { shape: [6, 5], relu: true }, { gradients: ['gamma', 'beta'] }),
  small('two groups', { shape: [2, 3, 2, 6], groups: 2 }),
  small('one group', { shape: [3, 4, 6], groups: 1 }),
  small('a group for each channel', { shape: [3, 4, 6], groups: 6 }),
  // Two elements a group, sometimes close together: 1/deviation goes up to 1/√epsilon.
  small('groups of single positions', { shape: [4, 6], groups: 3 }, { terms: 64 }),
  small('one sample', { shape: [1, 5, 4], groups: 2 }),
  small('groups, relu, without beta', { shape: [2, 5, 4], groups: 2, relu: true, beta: false }),
  small('groups without gamma', { shape: [2, 5, 4], groups: 2, gamma: false }),
  small('residual', { shape: [6, 5], residual: 'right' }),
  small('residual and relu', { shape: [3, 2, 2, 4], relu: true, residual: 'right' }),
  small('residual on the left, relu', { shape: [5, 7], relu: true, residual: 'left' }),
  small('residual and relu without gamma', { shape: [6, 5], relu: true, residual: 'left', gamma: false }),
  small('residual and relu without beta', { shape: [6, 5], relu: true, residual: 'right', beta: false }),
  small('residual, x is data', { shape: [6, 5], relu: true, residual: 'right' }, { gradients: ['gamma', 'residual'] }),
  small('the residual is data', { shape: [6, 5], relu: true, residual: 'right' }, { gradients: ['x', 'gamma', 'beta'] }),
  small('groups, residual and relu', { shape: [2, 5, 6], groups: 2, relu: true, residual: 'right' }),
  direct('linear'),
  direct('relu'),
  twice('[5, 3]', { shape: [5, 3] }),
  twice('[2, 2, 3], relu, without gamma', { shape: [2, 2, 3], relu: true, gamma: false }),
  twice('[4, 3] without either, a residual', { shape: [4, 3], gamma: false, beta: false, residual: 'left' }),
  twice('[2, 3, 4] in two groups, a residual, relu', { shape: [2, 3, 4], groups: 2, residual: 'right', relu: true }),
  full('[6, 10, 10, 32]', { shape: [6, 10, 10, 32] }),
  full('300 channels', { shape: [3, 300] }),
  full('520 channels', { shape: [37, 520], relu: true }),
  full('9 channels, several threads', { shape: [2051, 9], relu: true }),
  full('64 channels, several threads', { shape: [4, 9, 9, 64] }),
  full('1,040 channels, several threads', { shape: [20, 1040], gamma: false }),
  full('groups, as many samples as threads', { shape: [2, 300, 32], groups: 8, relu: true }),
  full('groups, more samples than threads', { shape: [5, 130, 36], groups: 9 }),
  full('groups, one large sample', { shape: [1, 700, 30], groups: 5, beta: false }),
  full('residual, one channel', { shape: [9, 1], relu: true, residual: 'left' }),
  full('residual, several threads', { shape: [4, 9, 9, 64], relu: true, residual: 'right' }),
  full('residual, 9 channels, several threads', { shape: [2051, 9], relu: true, residual: 'right' }),
  full('residual, 520 channels', { shape: [37, 520], relu: true, residual: 'left', beta: false }),
  full('residual without relu, several threads', { shape: [2051, 9], residual: 'right' }),
  full('groups, residual, more samples than threads', { shape: [5, 130, 36], groups: 9, relu: true, residual: 'right' }),
  full('groups, residual, one large sample', { shape: [1, 700, 30], groups: 5, relu: true, residual: 'right' }),
  stored('16 channels, residual and relu', { shape: [5, 8, 16], relu: true, residual: 'right' }, [
    ['x', 'residual', 'y'],
    ['residual', 'y'],
    ['x', 'residual'],
    ['x', 'y'],
  ]),
  stored('12 channels, groups, relu', { shape: [3, 7, 12], groups: 3, relu: true }, [['x', 'y'], ['x'], ['y']]),
  stored('9 channels', { shape: [71, 9], residual: 'right' }, [['x', 'residual', 'y'], ['y']]),
  stored('520 channels', { shape: [7, 520], relu: true }, [['x', 'y'], ['x'], ['y']]),
  stored('1,040 channels', { shape: [3, 1040] }, [['x', 'y']]),
  stored('groups, as many samples as threads', { shape: [2, 300, 32], groups: 8, residual: 'right' }, [['x', 'residual', 'y']]),
  storedGrad('16 channels, residual and relu', { shape: [5, 8, 16], relu: true, residual: 'right' }, [
    ['x', 'dy', 'y', 'dx', 'dresidual'],
    ['dy', 'y', 'dx', 'dresidual'],
    ['x', 'dy', 'dx', 'dresidual'],
    ['x', 'y', 'dx', 'dresidual'],
    ['x', 'dy', 'y', 'dx'],
    ['x', 'dy', 'y', 'dresidual'],
    ['dresidual'],
  ]),
  storedGrad('12 channels, groups, relu', { shape: [3, 7, 12], groups: 3, relu: true }, [['x', 'dy', 'dx'], ['x'], ['dy', 'dx']]),
  storedGrad('9 channels', { shape: [71, 9], relu: true, residual: 'right' }, [
    ['x', 'dy', 'y', 'dx', 'dresidual'],
    ['y', 'dx', 'dresidual'],
  ]),
  storedGrad('520 channels', { shape: [7, 520], relu: true, residual: 'right' }, [
    ['x', 'dy', 'y', 'dx', 'dresidual'],
    ['x', 'y', 'dx', 'dresidual'],
    ['dy', 'y', 'dx'],
  ]),
  storedGrad('1,040 channels', { shape: [3, 1040] }, [['x', 'dy', 'dx'], ['dx']]),
  storedGrad('24 channels, relu', { shape: [11, 24], relu: true }, [['x', 'dy', 'dx']]),
  storedGrad('groups, as many samples as threads', { shape: [2, 300, 32], groups: 8 }, [['x', 'dy', 'dx']]),
  // Each x is exact to half a unit in the last place, 6e-5 at 2,000; the same error of the mean is 4e-4 deviations,
  // where the difference of E[x²] and E[x]² would be off by more than the variance.
  forward(
    'a mean of thousands of deviations',
    { shape: [400, 3], epsilon: 1e-8, x: { data: around(1000, 0.25, 1200, 3) } },
    { terms: 1600 },
  ),
  // Deviations from the first row: their squares are exact to as many roundings as rows are added up.
  full(
    'a first row far from the others',
    { shape: [500, 2], epsilon: 1e-8, x: { data: around(3, 0.01, 1000, 2).map((v, i) => (i < 2 ? 100 : v)) } },
    { terms: 500 },
  ),
];
