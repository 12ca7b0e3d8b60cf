/**
 * map with a trailing row reduction: rows of many lengths, with the terms beside their sums and without, over one axis or
 * several, in parts.
 */
import { sizeOf } from '../../lib/graph/shape.js';
import { elementwise, IMMEDIATE, REGISTER, TAPE_IMMEDIATES } from '../../lib/ops/map.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { ScalarName } from '../../lib/ops/scalar_table.js';
import { mapOf } from './map.js';
import { indices, type Numbers, type OpCase } from './op_case.js';

/** Σ_j (x_ij + b_j) · c_i over rows, and the terms themselves. */
function rowSums([rows, length]: number[]): OpCase {
  const term = (x: Numbers, r: number, i: number): number => (x.x![r * length! + i]! + x.b![i]!) * x.c![r]!;
  const all = indices([rows!, length!]) as [number, number][];
  return {
    name: `row sums of [${rows}, ${length}]`,
    inputs: { x: { shape: [rows!, length!] }, b: { shape: [length!] }, c: { shape: [rows!, 1] } },
    build: ({ x, b, c }) => {
      const terms = elementwise('mul', elementwise('add', x!, b!), c!);
      return { y: sum(terms, [1]), terms };
    },
    reference: (x) => ({
      y: Array.from({ length: rows! }, (_, r) => x.b!.reduce((s, _value, i) => s + term(x, r, i), 0)),
      terms: all.map(([r, i]) => term(x, r, i)),
    }),
    narrow: [['x', 'b'], ['c']],
    gradients: [],
    terms: length!,
  };
}

/** The sums of `rowSums` by the map that makes their terms. */
function rowSumsAndTerms(shape: number[]): OpCase {
  const { inputs, reference, terms } = rowSums(shape);
  return {
    name: `row sums and terms of [${shape.join(', ')}]`,
    inputs,
    build: ({ x, b, c }) => {
      const code: [ScalarName, ...number[]][] = [
        ['add', 0, 1],
        ['mul', REGISTER, 2],
      ];
      return mapOf([x!, b!, c!], code, [REGISTER + 1, REGISTER + 1], 1);
    },
    reference: (x) => {
      const { y, terms } = reference(x, 'cpu');
      return { out0: y!, out1: terms! };
    },
    narrow: [['out0'], ['x', 'out1'], ['x', 'b', 'c', 'out0', 'out1']],
    gradients: [],
    ...(terms && { terms }),
  };
}

/**
 * Sums of 0.25 · in0 + 0.5 · in1 + … + 2.25 + 2.5 + …, of as many inputs and numbers as a tape has, which take all of a block's
 * shared memory where they are interpreted four elements at a time.
 */
function longTape(): OpCase {
  const [shape, length, inputs] = [[2, 1028], 1028, 8];
  const factors = Array.from({ length: TAPE_IMMEDIATES }, (_, k) => 0.25 * (k + 1));
  const code: [ScalarName, ...number[]][] = [['mul', 0, IMMEDIATE]];
  for (let k = 1; k < TAPE_IMMEDIATES; k++) {
    const [last, next] = [REGISTER + code.length - 1, REGISTER + code.length];
    if (k < inputs) code.push(['mul', k, IMMEDIATE + k], ['add', last, next]);
    else code.push(['add', last, IMMEDIATE + k]);
  }
  const rest = factors.slice(inputs).reduce((a, b) => a + b, 0);
  const names = Array.from({ length: inputs }, (_, k) => `x${k}`);
  return {
    name: 'row sums of the longest tape',
    inputs: Object.fromEntries(names.map((name) => [name, { shape }])),
    build: (v) =>
      mapOf(
        names.map((name) => v[name]!),
        code,
        [REGISTER + code.length - 1],
        1,
        factors,
      ),
    reference: (x) => ({
      out0: [0, 1].map((r) =>
        Array.from({ length }, (_, i) => names.reduce((s, name, k) => s + x[name]![r * length + i]! * factors[k]!, rest)).reduce(
          (a, b) => a + b,
          0,
        ),
      ),
    }),
    gradients: [],
    terms: length,
  };
}

const wide = [3, 700];

export const cases: OpCase[] = [
  {
    name: 'row sums of a chain',
    inputs: { x: { shape: [4, 9] }, b: { shape: [9] } },
    build: ({ x, b }) => ({ y: sum(elementwise('square', elementwise('add', x!, b!)), [1]) }),
    reference: ({ x, b }) => ({
      y: [0, 1, 2, 3].map((r) => b!.reduce((s, v, i) => s + (x![r * 9 + i]! + v) ** 2, 0)),
    }),
    terms: 9,
  },
  // Rows of one pack, of as many as a warp has lanes, of more; and such that do not divide by four though all of them do.
  ...[
    [7, 4],
    [33, 8],
    [4, 12],
    [5, 20],
    [3, 128],
    [2, 132],
    [2, 1028],
    [40, 3],
    [2, 1],
  ].map(rowSums),
  ...[
    [7, 4],
    [33, 8],
    [40, 3],
    [2, 1028],
  ].map(rowSumsAndTerms),
  {
    name: 'row sums of rows that divide by four only together',
    inputs: { x: { shape: [4, 9] } },
    build: ({ x }) => ({ y: sum(elementwise('square', x!), [1]) }),
    reference: ({ x }) => ({ y: [0, 1, 2, 3].map((r) => x!.slice(9 * r, 9 * r + 9).reduce((s, v) => s + v * v, 0)) }),
    narrow: [['x', 'y']],
    terms: 9,
  },
  {
    name: 'row sums over two axes, of whole numbers and bytes',
    inputs: {
      x: { shape: [3, 5, 8], dtype: 'int32', range: [-50, 50] },
      b: { shape: [5, 1], dtype: 'uint8', range: [0, 255] },
      c: { shape: [8] },
    },
    build: ({ x, b, c }) => ({
      y: sum(elementwise('mul', elementwise('add', elementwise('identity', x!), b!), c!), [1, 2]),
    }),
    reference: ({ x, b, c }) => ({
      y: [0, 1, 2].map((r) => indices([5, 8]).reduce((s, [i, j]) => s + (x![(r * 5 + i!) * 8 + j!]! + b![i!]!) * c![j!]!, 0)),
    }),
    narrow: [['c', 'y']],
    gradients: [],
    terms: 4000,
  },
  {
    // The sums must not take over exp(a)'s memory, although it has their size and dies here.
    name: 'row sums over a value that every row reads',
    inputs: { x: { shape: [9, 9] }, a: { shape: [9] } },
    build: ({ x, a }) => ({ y: elementwise('tanh', sum(elementwise('mul', x!, elementwise('exp', a!)), [1])) }),
    reference: ({ x, a }) => ({
      y: Array.from({ length: 9 }, (_, r) => Math.tanh(a!.reduce((s, v, i) => s + x![r * 9 + i]! * Math.exp(v), 0))),
    }),
    gradients: [],
    terms: 9,
  },
  longTape(),
  {
    name: 'row sums longer than a block',
    inputs: { x: { shape: wide } },
    build: ({ x }) => ({ y: sum(elementwise('mul', x!, x!), [1], false, 0.25) }),
    reference: ({ x }) => ({
      y: [0, 1, 2].map((r) => 0.25 * x!.slice(r * 700, (r + 1) * 700).reduce((s, v) => s + v * v, 0)),
    }),
    narrow: [['x'], ['y']],
    gradients: [],
    terms: 700,
  },
  {
    name: 'sum of everything',
    inputs: { x: { shape: [60, 700] } },
    build: ({ x }) => ({ y: sum(elementwise('abs', x!)) }),
    reference: ({ x }) => ({ y: [x!.reduce((s, v) => s + Math.abs(v), 0)] }),
    narrow: [['x', 'y'], ['y']],
    gradients: [],
    terms: sizeOf([60, 700]),
  },
  {
    name: 'sum of an odd number of elements',
    inputs: { x: { shape: [61, 701] } },
    build: ({ x }) => ({ y: sum(elementwise('abs', x!)) }),
    reference: ({ x }) => ({ y: [x!.reduce((s, v) => s + Math.abs(v), 0)] }),
    narrow: [['x', 'y']],
    gradients: [],
    terms: sizeOf([61, 701]),
  },
];
