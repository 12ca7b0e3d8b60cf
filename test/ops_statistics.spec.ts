/**
 * Of `gs.ops`: what works element by element and along axes beyond sums and means, casts, numbers in a row, repeating and
 * reversing, against formulas in float64, gradients against differences; wrong arguments.
 */
import { Graph, type Value } from '../lib/graph/graph.js';
import type { DType } from '../lib/graph/dtype.js';
import type { Shape } from '../lib/graph/shape.js';
import { gradients } from '../lib/ops/autodiff.js';
import * as ops from '../lib/ops/index.js';
import { reversed } from './cases/reverse.js';
import { flat, indices, type OpCase } from './cases/op_case.js';
import { describeCases, describeRefusals } from './helpers/op_cases.js';

const { log, exp, sqrt, abs } = Math;

/** `make` of all elements along `axis` of x. */
function along(x: readonly number[], shape: number[], axis: number, make: (v: number[]) => number): number[] {
  const n = shape[axis]!;
  return indices(shape.toSpliced(axis, 1)).map((index) =>
    make(Array.from({ length: n }, (_, i) => x[flat(shape, index.toSpliced(axis, 0, i))]!)),
  );
}

const total = (v: number[]) => v.reduce((a, b) => a + b, 0);
const mean = (v: number[]) => total(v) / v.length;
const variance = (v: number[]) => mean(v.map((a) => (a - mean(v)) ** 2));

/** A function of one value along axis 1 of [2, 5, 3]. */
function reduction(name: string, build: (x: Value) => Value, make: (v: number[]) => number, extra: Partial<OpCase> = {}): OpCase {
  const shape = [2, 5, 3];
  return {
    name,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: build(x!) }),
    reference: ({ x }) => ({ y: along(x!, shape, 1, make) }),
    ...extra,
  };
}

/** A function of each number; `gradients: []` for those that have none. */
function each(name: string, build: (x: Value) => Value, make: (v: number) => number, extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: { x: { shape: [4, 5], range: [-3, 3] } },
    build: ({ x }) => ({ y: build(x!) }),
    reference: ({ x }) => ({ y: x!.map(make) }),
    ...extra,
  };
}

const HALVES = { inputs: { x: { shape: [9], data: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, -0.3, 0.7, 8_388_609] } }, gradients: [] };
const ODD = [NaN, Infinity, -Infinity, 0, 3.4e38, 1];
const odd = { inputs: { x: { shape: [6], data: ODD } }, gradients: [] };
const positive = { inputs: { x: { shape: [4, 5], range: [0.5, 3] } } } as const;
const truths = { a: { shape: [4], data: [0, 0, 2, -1] }, b: { shape: [4], data: [0, 3, 0, 5] } };
const axis = 1;

describeCases('numbers in gs.ops', [
  each('ceil', ops.ceil, Math.ceil, { gradients: [] }),
  each('round, halves to even', ops.round, (v) => (abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v)), HALVES),
  each('reciprocal', ops.reciprocal, (v) => 1 / v, positive),
  each('rsqrt', ops.rsqrt, (v) => 1 / sqrt(v), positive),
  each(
    'squaredDifference with a number',
    (x) => ops.squaredDifference(2, x),
    (v) => (2 - v) ** 2,
  ),
  each(
    'clipByValue',
    (x) => ops.clipByValue(x, -1, 2),
    (v) => Math.min(2, Math.max(-1, v)),
  ),
  each('isNaN', ops.isNaN, (v) => (Number.isNaN(v) ? 1 : 0), odd),
  each('isFinite', ops.isFinite, (v) => (Number.isFinite(v) ? 1 : 0), odd),
  each('logicalNot', ops.logicalNot, (v) => (v === 0 ? 1 : 0), {
    inputs: { x: { shape: [3], data: [0, 0.5, -2] } },
    gradients: [],
  }),
  {
    name: 'logicalAnd, logicalOr, logicalXor, also with a number',
    inputs: truths,
    build: ({ a, b }) => ({
      and: ops.logicalAnd(a!, b!),
      or: ops.logicalOr(a!, b!),
      xor: ops.logicalXor(a!, b!),
      with: ops.logicalXor(a!, 7),
    }),
    reference: () => ({ and: [0, 0, 0, 1], or: [0, 1, 1, 1], xor: [0, 1, 1, 0], with: [1, 1, 0, 0] }),
    gradients: [],
  },
  reduction('variance', (x) => ops.variance(x, { axis }), variance),
  reduction(
    'std',
    (x) => ops.std(x, { axis: -2 }),
    (v) => sqrt(variance(v)),
  ),
  reduction(
    'moments, sizes of 1 kept',
    (x) => {
      const { mean: center, variance: spread } = ops.moments(x, { axis, keepDims: true });
      return ops.reshape(ops.div(center, ops.add(spread, 1)), [2, 3]);
    },
    (v) => mean(v) / (variance(v) + 1),
  ),
  {
    name: 'moments of all elements',
    inputs: { x: { shape: [3, 4] } },
    build: ({ x }) => ({ ...ops.moments(x!) }),
    reference: ({ x }) => ({ mean: [mean([...x!])], variance: [variance([...x!])] }),
  },
  reduction(
    'logSumExp',
    (x) => ops.logSumExp(x, { axis }),
    (v) => log(total(v.map(exp))),
  ),
  {
    name: 'logSumExp of what would overflow and of infinities',
    inputs: { x: { shape: [4, 2], data: [1000, 1001, -1000, -1001, -Infinity, -Infinity, -Infinity, 3] } },
    build: ({ x }) => ({ y: ops.logSumExp(x!, { axis: -1, keepDims: true }) }),
    reference: () => ({ y: [1001 + log(1 + exp(-1)), -1000 + log(1 + exp(-1)), -Infinity, 3] }),
    gradients: [],
  },
  reduction(
    'prod of an odd number',
    (x) => ops.prod(x, { axis }),
    (v) => v.reduce((a, b) => a * b, 1),
  ),
  {
    name: 'prod of all elements, some of them 0',
    inputs: { x: { shape: [2, 3], data: [2, 0, -1.5, 0.5, 3, 1] } },
    build: ({ x }) => ({ y: ops.prod(x!), z: ops.prod(x!, { axis: 0, keepDims: true }) }),
    reference: ({ x }) => ({ y: [x!.reduce((a, b) => a * b, 1)], z: [0, 1, 2].map((c) => x![c]! * x![c + 3]!) }),
  },
  reduction(
    'norm',
    (x) => ops.norm(x, { axis }),
    (v) => sqrt(total(v.map((a) => a * a))),
  ),
  reduction(
    'norm of order 1',
    (x) => ops.norm(x, { axis, ord: 1 }),
    (v) => total(v.map(abs)),
  ),
  reduction(
    'norm of infinite order',
    (x) => ops.norm(x, { axis, ord: Infinity }),
    (v) => Math.max(...v.map(abs)),
  ),
  ...[0, 1, -1].map((at): OpCase => ({
    name: `softmax, logSoftmax, argmax, argmin along ${at}`,
    inputs: { x: { shape: [3, 4, 2] } },
    build: ({ x }) => ({
      softmax: ops.softmax(x!, at),
      log: ops.logSoftmax(x!, at),
      most: ops.argmax(x!, at),
      least: ops.argmin(x!, at),
    }),
    reference({ x }) {
      const [shape, axisAt] = [[3, 4, 2], at < 0 ? at + 3 : at];
      const sums = along(x!, shape, axisAt, (v) => total(v.map(exp)));
      const part = indices(shape).map((index) => sums[flat(shape.toSpliced(axisAt, 1), index.toSpliced(axisAt, 1))]!);
      return {
        softmax: x!.map((v, i) => exp(v) / part[i]!),
        log: x!.map((v, i) => v - log(part[i]!)),
        most: along(x!, shape, axisAt, (v) => v.indexOf(Math.max(...v))),
        least: along(x!, shape, axisAt, (v) => v.indexOf(Math.min(...v))),
      };
    },
  })),
  {
    name: 'pow with whole exponents at 0 and below: values and slopes of slopes',
    inputs: { x: { shape: [4], data: [0, -1.5, 2, -0.25] } },
    build({ x }) {
      const slopes = [0, 1, 2, 3, 4].map((n) => gradients(ops.pow(x!, n), [x!])[0]!);
      return {
        values: ops.stack([0, 1, 2, 3, 4].map((n) => ops.pow(x!, n))),
        slopes: ops.stack(slopes),
        bends: ops.stack(slopes.map((slope) => gradients(slope, [x!])[0]!)),
      };
    },
    reference: ({ x }) => ({
      values: [0, 1, 2, 3, 4].flatMap((n) => x!.map((v) => v ** n)),
      slopes: [0, 1, 2, 3, 4].flatMap((n) => x!.map((v) => (n === 0 ? 0 : n * v ** (n - 1)))),
      bends: [0, 1, 2, 3, 4].flatMap((n) => x!.map((v) => (n < 2 ? 0 : n * (n - 1) * v ** (n - 2)))),
    }),
    gradients: [],
  },
  {
    name: 'any and all',
    inputs: { x: { shape: [3, 2], data: [0, 0, 0, -2, 1, 3] } },
    build: ({ x }) => ({ any: ops.any(x!, { axis }), all: ops.all(x!, { axis }), every: ops.all(x!) }),
    reference: () => ({ any: [0, 1, 1], all: [0, 0, 1], every: [0] }),
    gradients: [],
  },
  {
    name: 'cast there and back, numbers in a row, filled values',
    inputs: { x: { shape: [5], data: [-1.7, 1.7, 0, 2.5, -3] }, n: { shape: [2], dtype: 'int32', data: [7, -8] } },
    build: ({ x, n }) => ({
      whole: ops.cast(x!, 'int32'),
      back: ops.cast(ops.cast(x!, 'int32'), 'float32'),
      same: ops.cast(x!, 'float32'),
      floats: ops.cast(n!, 'float32'),
      range: ops.range(x!, 1, 2, 0.25),
      down: ops.range(n!, 3, -3, -2.5),
      fill: ops.fill(n!, [2, 2], -0.5),
      ones: ops.onesLike(x!),
      zeros: ops.zerosLike(n!),
    }),
    reference: ({ x }) => ({
      whole: [-1, 1, 0, 2, -3],
      back: [-1, 1, 0, 2, -3],
      same: [...x!],
      floats: [7, -8],
      range: [1, 1.25, 1.5, 1.75],
      down: [3, 0.5, -2],
      fill: [-0.5, -0.5, -0.5, -0.5],
      ones: [1, 1, 1, 1, 1],
      zeros: [0, 0],
    }),
    gradients: [],
  },
  {
    name: 'tile, repeat, reverse',
    inputs: { x: { shape: [2, 3] } },
    build: ({ x }) => ({
      tile: ops.tile(x!, [2, 3]),
      rows: ops.repeat(x!, 2),
      columns: ops.repeat(x!, 3, -1),
      last: ops.reverse(x!, -1),
      both: ops.reverse(x!),
      one: ops.reverse(x!, [0]),
    }),
    reference({ x }) {
      const at = (r: number, c: number) => x![3 * (r % 2) + (c % 3)]!;
      const shape = [2, 3];
      return {
        tile: indices([4, 9]).map(([r, c]) => at(r!, c!)),
        rows: indices([4, 3]).map(([r, c]) => at(Math.floor(r! / 2), c!)),
        columns: indices([2, 9]).map(([r, c]) => at(r!, Math.floor(c! / 3))),
        last: reversed(x!, shape, 1),
        both: x!.toReversed(),
        one: reversed(x!, shape, 0),
      };
    },
  },
]);

const graph = new Graph();
const input = (shape: Shape, dtype: DType = 'float32'): Value => graph.read({ name: 'x', shape, dtype });
const [x, whole] = [input([2, 3]), input([2], 'int32')];
const bad = (v: unknown) => v as never;
describeRefusals('numbers in gs.ops', [
  ['cast to bytes', () => ops.cast(x, bad('uint8')), 'ERR_OPTION', 'Unknown value "uint8" for ops.cast dtype'],
  [
    'an endless range',
    () => ops.range(x, 0, 1, 0),
    'ERR_OPTION',
    'Expected numbers of which there is at least one for ops.range',
  ],
  ['an empty range', () => ops.range(x, 0, -1), 'ERR_OPTION', '0 to -1 by 1'],
  ['a range from nowhere', () => ops.range(bad(0), 0, 2), 'ERR_OPTION', 'Expected value for ops.range like'],
  ['a range to infinity', () => ops.range(x, 0, Infinity), 'ERR_OPTION', 'ops.range stop'],
  ['a value filled with nothing', () => ops.fill(x, [2], bad(null)), 'ERR_OPTION', 'ops.fill number'],
  ['a value of no shape', () => ops.fill(x, bad(2), 1), 'ERR_OPTION', 'Expected array of integers > 0 for ops.fill shape'],
  ['ones like a number', () => ops.onesLike(bad(2)), 'ERR_OPTION', 'Expected value for ops.onesLike x'],
  ['tile along too few axes', () => ops.tile(x, [2]), 'ERR_OPTION', 'Expected 2 integers > 0 for ops.tile reps'],
  ['repeat no times', () => ops.repeat(x, 0), 'ERR_OPTION', 'Expected integer > 0 for ops.repeat repeats'],
  ['reverse along another axis', () => ops.reverse(x, 2), 'ERR_OPTION', 'Expected integer from -2 to 1 for ops.reverse axis'],
  ['reverse along a word', () => ops.reverse(x, bad('x')), 'ERR_OPTION', 'integer or an array of them for ops.reverse axis'],
  [
    'a norm of order 3',
    () => ops.norm(x, { ord: bad(3) }),
    'ERR_OPTION',
    'Expected "euclidean", 1, 2 or Infinity for ops.norm.ord',
  ],
  ['an axis too many', () => ops.prod(x, { axis: 2 }), 'ERR_OPTION', 'Expected integer from -2 to 1 for ops.prod.axis'],
  ['softmax along another axis', () => ops.softmax(x, 2), 'ERR_OPTION', 'Expected integer from -2 to 1 for ops.softmax axis'],
  ['ones like nothing', () => ops.onesLike(bad(undefined)), 'ERR_OPTION', 'Expected value for ops.onesLike x'],
  ['clip between words', () => ops.clipByValue(x, 0, bad('a')), 'ERR_OPTION', 'Expected value or number for ops.clipByValue max'],
  ['ceil of nothing', () => ops.ceil(bad(undefined)), 'ERR_OPTION', 'Expected value for ops.ceil x'],
  ['an axis twice', () => ops.variance(x, { axis: [0, -2] }), 'ERR_OPTION', 'Expected each axis once for ops.variance.axis'],
  [
    'a wrong name',
    () => ops.norm(x, bad({ order: 1 })),
    'ERR_OPTION',
    'Unknown option "order" for ops.norm: did you mean "ord"?',
  ],
  ['clip a number', () => ops.clipByValue(bad(1), 0, 1), 'ERR_OPTION', 'Expected value for ops.clipByValue x but received 1'],
  ['whole numbers', () => ops.logSumExp(whole), 'ERR_DTYPE', 'Expected float32 for ops.logSumExp x but received int32'],
  ['only numbers', () => ops.logicalAnd(1, 0), 'ERR_OPTION', 'at least one value among the operands'],
]);
