/** matmul in every transposition, with bias and relu, with a mask, size 1, and accumulating; in every precision. */
import { elementwise } from '../../lib/ops/map.js';
import type { Value } from '../../lib/graph/graph.js';
import { matmul, matmulOp } from '../../lib/ops/matmul.js';
import type { Numbers, OpCase } from './op_case.js';
import { ROUNDED, roundingOf, type Rounded } from './rounded_operand.js';

function product(
  a: readonly number[],
  b: readonly number[],
  m: number,
  k: number,
  n: number,
  ta: boolean,
  tb: boolean,
): number[] {
  const y = new Array<number>(m * n).fill(0);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let l = 0; l < k; l++) y[i * n + j]! += a[ta ? l * m + i : i * k + l]! * b[tb ? j * k + l : l * n + j]!;
  return y;
}

function simple(m: number, k: number, n: number, ta: boolean, tb: boolean): OpCase {
  return {
    name: `[${m}, ${k}]·[${k}, ${n}]${ta ? ' a transposed' : ''}${tb ? ' b transposed' : ''}`,
    inputs: { a: { shape: ta ? [k, m] : [m, k] }, b: { shape: tb ? [n, k] : [k, n] } },
    build: ({ a, b }) => ({ y: matmul(a!, b!, ta, tb) }),
    reference: ({ a, b }) => ({ y: product(a!, b!, m, k, n, ta, tb) }),
    terms: k,
    ...(m * k + k * n > 600 ? { gradients: [] } : {}),
  };
}

/** op(a)·op(b) of rounded operands. They are given, so they round the same everywhere; sums are in float32. */
export function rounded(
  precision: Rounded,
  m: number,
  k: number,
  n: number,
  ta: boolean,
  tb: boolean,
  options: { bias?: boolean; relu?: boolean } = {},
): OpCase {
  const { bias = false, relu = false } = options;
  const yes = (flag: boolean): string => (flag ? 'yes' : 'no');
  return {
    name: `${simple(m, k, n, ta, tb).name} in ${precision}${bias ? ' with a bias' : ''}${relu ? ' and relu' : ''}`,
    inputs: { ...simple(m, k, n, ta, tb).inputs, ...(bias && { bias: { shape: [n] } }) },
    build: (x) => {
      const attrs = { transposeA: yes(ta), transposeB: yes(tb), precision };
      const y = x.a!.graph.add(matmulOp, { a: x.a, b: x.b, bias: x.bias }, attrs).outputs.y!;
      return { y: relu ? elementwise('relu', y) : y };
    },
    reference: (x, backend) => {
      const round = roundingOf(precision, backend);
      const y = product(x.a!.map(round), x.b!.map(round), m, k, n, ta, tb).map((v, i) => v + (x.bias?.[i % n] ?? 0));
      return { y: relu ? y.map((v) => Math.max(0, v)) : y };
    },
    gradients: [],
    terms: k,
  };
}

/** Masked by what holds numbers above and below 0, zeros of both signs and a NaN; and the sums of what is left. */
export function masked(
  m: number,
  k: number,
  n: number,
  options: { precision?: 'float32' | Rounded; sums?: boolean; bias?: boolean; ta?: boolean; tb?: boolean } = {},
): OpCase {
  const { precision = 'float32', sums = true, bias = false, ta = false, tb = true } = options;
  const yes = (flag: boolean): string => (flag ? 'yes' : 'no');
  const kinds = [0.5, 0, -2, 3, -0, 1e-30, 7, -1e-30, NaN, 2, 1];
  const mask = Array.from({ length: m * n }, (_, i) => kinds[(i + (i >> 4)) % kinds.length]!);
  const { name, inputs } = simple(m, k, n, ta, tb);
  return {
    name: `${name} masked${sums ? ', and its sums' : ''}${bias ? ', with a bias' : ''} in ${precision}`,
    inputs: { ...inputs, mask: { shape: [m, n], data: mask }, ...(bias && { bias: { shape: [n] } }) },
    build: (x) => {
      const attrs = { transposeA: yes(ta), transposeB: yes(tb), precision };
      const made = x.a!.graph.add(matmulOp, { a: x.a, b: x.b, bias: x.bias, mask: x.mask }, attrs).outputs;
      return { y: made.y!, ...(sums && { sums: made.sums! }) };
    },
    reference: (x, backend) => {
      const round = precision === 'float32' ? (v: number) => v : roundingOf(precision, backend);
      const whole = product(x.a!.map(round), x.b!.map(round), m, k, n, ta, tb).map((v, i) => v + (x.bias?.[i % n] ?? 0));
      const y = whole.map((v, i) => (x.mask![i]! > 0 ? v : 0));
      const column = (j: number): number => y.reduce((total, v, i) => (i % n === j ? total + v : total), 0);
      return { y, ...(sums && { sums: Array.from({ length: n }, (_, j) => column(j)) }) };
    },
    gradients: precision === 'float32' && m * k + k * n < 600 ? ['a', 'b', ...(bias ? ['bias'] : [])] : [],
    terms: sums ? k + m : k,
  };
}

const inPrecision = (precision: Rounded, a: Value, b: Value): Value => a.graph.add(matmulOp, { a, b }, { precision }).outputs.y!;

const transposes = [false, true].flatMap((ta) => [false, true].map((tb) => [ta, tb] as const));

export const cases: OpCase[] = [
  ...transposes.flatMap(([ta, tb]) => [simple(5, 7, 3, ta, tb), simple(1, 9, 1, ta, tb), simple(33, 65, 17, ta, tb)]),
  simple(1, 1, 1, false, false),
  simple(130, 257, 67, false, true),
  simple(130, 260, 140, false, true),
  // The CPU packs both operands where one has rows of 2 KiB: several blocks of rows and of the depth, tails of both and of columns.
  // Operands that are rounded or stored in bfloat16: test/native/packed_product_test.cc.
  simple(512, 260, 131, true, false),
  masked(512, 130, 128, { bias: true, ta: true, tb: false }),
  {
    name: 'bias and relu, operands packed',
    inputs: { a: { shape: [131, 515] }, b: { shape: [515, 512] }, bias: { shape: [512] } },
    build: ({ a, b, bias }) => ({ y: elementwise('relu', matmul(a!, b!, false, false, bias)) }),
    reference: ({ a, b, bias }) => ({
      y: product(a!, b!, 131, 515, 512, false, false).map((v, i) => Math.max(0, v + bias![i % 512]!)),
    }),
    gradients: [],
    terms: 515,
  },
  {
    name: 'sum of two products, operands packed',
    inputs: { a: { shape: [130, 512] }, b: { shape: [130, 133] }, c: { shape: [259, 512] }, d: { shape: [259, 133] } },
    build: ({ a, b, c, d }) => ({ y: elementwise('add', matmul(a!, b!, true), matmul(c!, d!, true)) }),
    reference: ({ a, b, c, d }) => {
      const other = product(c!, d!, 512, 259, 133, true, false);
      return { y: product(a!, b!, 512, 130, 133, true, false).map((v, i) => v + other[i]!) };
    },
    gradients: [],
    terms: 389,
  },
  {
    name: 'bias and relu',
    inputs: { a: { shape: [6, 5] }, b: { shape: [5, 11] }, bias: { shape: [11] } },
    build: ({ a, b, bias }) => ({ y: elementwise('relu', matmul(a!, b!, false, false, bias)) }),
    reference: ({ a, b, bias }) => ({
      y: product(a!, b!, 6, 5, 11, false, false).map((v, i) => Math.max(0, v + bias![i % 11]!)),
    }),
    terms: 5,
  },
  {
    name: 'bias without relu, one row',
    inputs: { a: { shape: [1, 4] }, b: { shape: [4, 3] }, bias: { shape: [3] } },
    build: ({ a, b, bias }) => ({ y: matmul(a!, b!, false, false, bias) }),
    reference: ({ a, b, bias }) => ({ y: product(a!, b!, 1, 4, 3, false, false).map((v, i) => v + bias![i]!) }),
    terms: 4,
  },
  ...[
    masked(5, 7, 3),
    masked(1, 1, 1),
    masked(6, 4, 11, { sums: false }),
    masked(9, 3, 5, { bias: true, ta: true, tb: false }),
    // Several threads and slices of rows; many columns.
    masked(300, 9, 70),
    masked(190, 9, 130, { sums: false }),
    masked(33, 6, 600),
    masked(5, 7, 3, { precision: 'bfloat16' }),
    masked(70, 35, 130, { precision: 'bfloat16', bias: true }),
    masked(70, 35, 130, { precision: 'bfloat16', sums: false, tb: false }),
    masked(33, 20, 17, { precision: 'tf32' }),
    // On the tile units, divided by rows and by columns.
    masked(300, 257, 70, { precision: 'bfloat16' }),
    masked(70, 257, 300, { precision: 'bfloat16' }),
  ],
  // Divided the same ways by what is stored in bfloat16: of whole tiles, which are read where they lie, and others.
  ...[
    masked(336, 256, 70, { precision: 'bfloat16', bias: true, tb: false }),
    masked(80, 256, 300, { precision: 'bfloat16' }),
    masked(300, 257, 70, { precision: 'bfloat16', ta: true, tb: false }),
    masked(70, 257, 300, { precision: 'bfloat16' }),
  ].map((test) => ({ ...test, name: `${test.name}, stored in it`, narrow: [['a'], ['b', 'y'], ['a', 'b', 'mask', 'y']] })),
  {
    name: 'two layers, whose gradients go back through a relu',
    inputs: { x: { shape: [7, 4] }, w1: { shape: [4, 9] }, bias: { shape: [9] }, w2: { shape: [9, 3] } },
    build: ({ x, w1, bias, w2 }) => ({ y: matmul(elementwise('relu', matmul(x!, w1!, false, false, bias)), w2!) }),
    reference: ({ x, w1, bias, w2 }) => {
      const hidden = product(x!, w1!, 7, 4, 9, false, false).map((v, i) => Math.max(0, v + bias![i % 9]!));
      return { y: product(hidden, w2!, 7, 9, 3, false, false) };
    },
    terms: 36,
  },
  {
    name: 'weights used twice: their gradients accumulate',
    inputs: { a: { shape: [4, 5] }, c: { shape: [7, 5] }, w: { shape: [5, 3] } },
    build: ({ a, c, w }) => ({ y: matmul(a!, w!), z: matmul(c!, w!) }),
    reference: ({ a, c, w }) => ({ y: product(a!, w!, 4, 5, 3, false, false), z: product(c!, w!, 7, 5, 3, false, false) }),
    terms: 11,
  },
  {
    name: 'sum of two products',
    inputs: { a: { shape: [4, 5] }, b: { shape: [5, 6] }, c: { shape: [4, 3] }, d: { shape: [3, 6] } },
    build: ({ a, b, c, d }) => ({ y: elementwise('add', matmul(a!, b!), matmul(c!, d!)) }),
    reference: ({ a, b, c, d }) => {
      const other = product(c!, d!, 4, 3, 6, false, false);
      return { y: product(a!, b!, 4, 5, 6, false, false).map((v, i) => v + other[i]!) };
    },
    terms: 8,
  },
  ...transposes.flatMap(([ta, tb]) => [
    rounded('bfloat16', 5, 7, 3, ta, tb),
    rounded('bfloat16', 1, 1, 1, ta, tb),
    rounded('bfloat16', 33, 65, 17, ta, tb, { bias: true }),
    rounded('bfloat16', 1, 40, 9, ta, tb, { bias: true, relu: true }),
    rounded('bfloat16', 70, 35, 130, ta, tb, { relu: true }),
    rounded('tf32', 33, 65, 17, ta, tb, { bias: true, relu: true }),
  ]),
  ...ROUNDED.map((precision) => ({
    name: `sum of two products in ${precision}`,
    inputs: { a: { shape: [4, 5] }, b: { shape: [5, 6] }, c: { shape: [4, 3] }, d: { shape: [3, 6] } },
    build: ({ a, b, c, d }: Record<string, Value>) => ({
      y: elementwise('add', inPrecision(precision, a!, b!), inPrecision(precision, c!, d!)),
    }),
    reference: (x: Numbers, backend: 'cpu' | 'cuda') => {
      const round = roundingOf(precision, backend);
      const [a, b, c, d] = [x.a!, x.b!, x.c!, x.d!].map((v) => v.map(round)) as [number[], number[], number[], number[]];
      const other = product(c, d, 4, 3, 6, false, false);
      return { y: product(a, b, 4, 5, 6, false, false).map((v, i) => v + other[i]!) };
    },
    gradients: [],
    terms: 8,
  })),
];
