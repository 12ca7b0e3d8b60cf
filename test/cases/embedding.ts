/**
 * embedding and its gradient: repeated and missing rows, long runs of one word, wrong indices, accumulation, in bfloat16, several
 * tables, without a flag.
 */
import type { Value } from '../../lib/graph/graph.js';
import { embedding, embeddingDxOp, lookUpIn } from '../../lib/ops/embedding.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import { FLAG, STATE, type OpCase } from './op_case.js';

/** Rows of the table; zeros where there is none. */
function lookUp(table: readonly number[], indices: readonly number[], width: number): number[] {
  return indices.flatMap((t) => Array.from({ length: width }, (_, c) => table[t * width + c] ?? 0));
}

function simple(name: string, vocabulary: number, width: number, shape: number[], extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: {
      table: { shape: [vocabulary, width] },
      indices: { shape, dtype: 'int32', range: [0, vocabulary] },
      state: STATE,
      flag: FLAG,
    },
    build: ({ table, indices, state, flag }) => ({ y: embedding(table!, indices!, state!, flag!) }),
    reference: ({ table, indices }) => ({ y: lookUp(table!, indices!, width), flag: [0, 0, 0, 0] }),
    ...extra,
  };
}

/** The table's gradient by a plain loop. */
function addRows(dy: readonly number[], indices: readonly number[], vocabulary: number, width: number): number[] {
  const dtable = new Array<number>(vocabulary * width).fill(0);
  indices.forEach((t, i) => {
    if (t < 0 || t >= vocabulary) return;
    for (let c = 0; c < width; c++) dtable[t * width + c]! += dy[i * width + c]!;
  });
  return dtable;
}

/** The gradient itself as output: for sizes at which differences would take long. */
function gradient(name: string, vocabulary: number, width: number, indices: number[]): OpCase {
  return {
    name,
    inputs: {
      dy: { shape: [indices.length, width] },
      indices: { shape: [indices.length], dtype: 'int32', data: indices },
    },
    build: ({ dy, indices: at }) => ({
      dtable: dy!.graph.add(embeddingDxOp, { dy, indices: at }, { vocabulary }).outputs.dtable!,
    }),
    reference: ({ dy }) => ({ dtable: addRows(dy!, indices, vocabulary, width) }),
    gradients: [],
    terms: indices.length,
    narrow: [['dy']],
  };
}

/** Several tables, each with indices of its own; without a flag. */
function several(name: string, tables: number, vocabulary: number, width: number, indices: number[]): OpCase {
  const k = indices.length / tables;
  const rows = (at: readonly number[]) => at.map((t, i) => (t < 0 || t >= vocabulary ? -1 : Math.floor(i / k) * vocabulary + t));
  return {
    name,
    inputs: {
      table: { shape: [tables * vocabulary, width] },
      indices: { shape: [tables, k], dtype: 'int32', data: indices },
    },
    build: ({ table, indices: at }) => ({ y: lookUpIn(table!, at!, tables, 0) }),
    reference: ({ table }) => ({ y: lookUp(table!, rows(indices), width) }),
    ...(tables * vocabulary * width > 300 ? { gradients: [] } : {}),
    narrow: [['y']],
  };
}

/** The gradient of several tables itself. */
function severalGradient(name: string, tables: number, vocabulary: number, width: number, indices: number[]): OpCase {
  const k = indices.length / tables;
  return {
    name,
    inputs: { dy: { shape: [tables, k, width] }, indices: { shape: [tables, k], dtype: 'int32', data: indices } },
    build: ({ dy, indices: at }) => ({
      dtable: dy!.graph.add(embeddingDxOp, { dy, indices: at }, { vocabulary, tables }).outputs.dtable!,
    }),
    reference: ({ dy }) => ({
      dtable: Array.from({ length: tables }, (_, t) =>
        addRows(dy!.slice(t * k * width, (t + 1) * k * width), indices.slice(t * k, (t + 1) * k), vocabulary, width),
      ).flat(),
    }),
    gradients: [],
    terms: k,
    narrow: [['dy']],
  };
}

const scattered = (n: number, vocabulary: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.floor((((i * 7919 + 13) % 104729) / 104729) * vocabulary));

export const cases: OpCase[] = [
  simple('[2, 3] of a table [5, 4]', 5, 4, [2, 3], { narrow: [['y']] }),
  simple('odd width, more indices than words', 3, 5, [17], { narrow: [['y']] }),
  simple('one word of width 1', 1, 1, [1], { narrow: [['y']] }),
  simple('a scalar index', 4, 3, []),
  simple('one word all the time', 4, 8, [5, 9], {
    inputs: {
      table: { shape: [4, 8] },
      indices: { shape: [5, 9], dtype: 'int32', data: new Array<number>(45).fill(2) },
      state: STATE,
      flag: FLAG,
    },
    terms: 45,
  }),
  {
    ...simple('the first wrong index raises the flag with its row; wrong ones read as zeros', 3, 4, [3, 2]),
    inputs: {
      table: { shape: [3, 4] },
      indices: { shape: [3, 2], dtype: 'int32', data: [0, 2, 1, 3, -1, 0] },
      state: { ...STATE, data: [41, 0, 0, 0] },
      flag: FLAG,
    },
    build: ({ table, indices, state, flag }) => ({ y: embedding(table!, indices!, state!, flag!, 0xabcdef) }),
    reference: ({ table, indices }) => ({
      y: lookUp(
        table!,
        indices!.map((t) => (t < 0 ? 1e6 : t)),
        4,
      ),
      // The code's upper bits are the place.
      flag: [(0xabcdef << 8) | 4, 1, 3, 41],
    }),
    narrow: [['y']],
  },
  {
    ...simple('a flag that was raised stays', 3, 4, [2]),
    inputs: {
      table: { shape: [3, 4] },
      indices: { shape: [2], dtype: 'int32', data: [7, 0] },
      state: STATE,
      flag: { ...FLAG, data: [2, 5, 6, 7] },
    },
    reference: ({ table }) => ({ y: lookUp(table!, [1e6, 0], 4), flag: [2, 5, 6, 7] }),
  },
  {
    name: 'two lookups in one table: the second gradient is added to the first',
    inputs: {
      table: { shape: [6, 3] },
      a: { shape: [4], dtype: 'int32', data: [0, 5, 5, 2] },
      b: { shape: [3], dtype: 'int32', data: [5, 1, 2] },
      state: STATE,
      flag: FLAG,
    },
    build: ({ table, a, b, state, flag }) => {
      const squares = [a!, b!].map((i) => sum(elementwise('square', embedding(table!, i, state!, flag!))));
      return { g: gradients(elementwise('add', squares[0]!, squares[1]!), [table!])[0]! };
    },
    reference: ({ table }) => {
      const times = [1, 1, 2, 0, 0, 3];
      return { g: table!.map((v, i) => 2 * v * times[Math.floor(i / 3)]!) };
    },
    terms: 16,
  },
  {
    name: 'two gradients of one table, the second of which is added',
    inputs: {
      a: { shape: [4, 8] },
      b: { shape: [3, 8] },
      first: { shape: [4], dtype: 'int32', data: [0, 5, 5, 2] },
      second: { shape: [3], dtype: 'int32', data: [5, 1, 2] },
    },
    build: ({ a, b, first, second }) => {
      const by = (dy: Value, indices: Value): Value =>
        dy.graph.add(embeddingDxOp, { dy, indices }, { vocabulary: 6 }).outputs.dtable!;
      return { dtable: elementwise('add', by(a!, first!), by(b!, second!)) };
    },
    reference({ a, b, first, second }) {
      const added = addRows(b!, second!, 6, 8);
      return { dtable: addRows(a!, first!, 6, 8).map((v, i) => v + added[i]!) };
    },
    gradients: [],
    narrow: [['a'], ['b']],
  },
  gradient('gradient: 3,000 indices of 70,000 words, three digits', 70000, 4, scattered(3000, 70000)),
  gradient('gradient: 1,500 indices of 400 words, odd width', 400, 33, scattered(1500, 400)),
  gradient(
    'gradient: half of 700 indices are one word',
    300,
    20,
    scattered(700, 300).map((t, i) => (i % 2 ? 77 : t)),
  ),
  gradient('gradient: wide rows split over threads', 50, 96, scattered(400, 50)),
  several('three tables of five rows', 3, 5, 4, [0, 4, 4, 1, 2, 2, 3, 0, 3, 3, 3, 1]),
  several('two tables, odd width, wrong indices read as zeros', 2, 3, 5, [0, 3, -1, 2, 1, 1_000_000, 2, 0]),
  several('seven tables of one number a row, several threads', 7, 40, 1, scattered(7 * 3000, 40)),
  several('wide rows of two tables, several threads', 2, 50, 96, scattered(400, 50)),
  severalGradient('gradient: five tables, several threads', 5, 30, 20, scattered(5 * 200, 30)),
  severalGradient('gradient: two tables, one number a row, wrong indices', 2, 3000, 1, [...scattered(4998, 3000), -1, 3000]),
  severalGradient('gradient: three tables, more indices than rows', 3, 2, 32, scattered(3 * 100, 2)),
  gradient('gradient: wrong indices add nothing', 5, 4, [0, -1, 4, 5, 4, 1_000_000, 0, ...new Array<number>(40).fill(9)]),
];
