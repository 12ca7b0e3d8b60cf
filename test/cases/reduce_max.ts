/** reduceMax: largest and smallest over every arrangement of axes, the first of equals, NaN, gradients that meet. */
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { extremum } from '../../lib/ops/reduce_max.js';
import { flat, indices, type OpCase } from './op_case.js';

/** Largest (sign 1) or smallest (−1) element over axes. */
export function best(x: readonly number[], shape: readonly number[], axes: readonly number[], sign: number): number[] {
  const kept = shape.filter((_, i) => !axes.includes(i));
  const y = new Array<number>(kept.reduce((n, d) => n * d, 1)).fill(NaN);
  for (const index of indices(shape)) {
    const to = flat(
      kept,
      index.filter((_, i) => !axes.includes(i)),
    );
    const v = x[flat(shape, index)]!;
    if (Number.isNaN(y[to]!) || sign * v > sign * y[to]!) y[to] = v;
  }
  return y;
}

function simple(mode: 'max' | 'min', shape: number[], axes: number[], keepDims = false): OpCase {
  return {
    name: `${mode} of [${shape.join(', ')}] over ${axes.join(', ')}${keepDims ? ', kept' : ''}`,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: extremum(x!, mode, axes, keepDims) }),
    reference: ({ x }) => ({ y: best(x!, shape, axes, mode === 'max' ? 1 : -1) }),
    ...(shape.reduce((n, d) => n * d, 1) > 600 ? { gradients: [] } : {}),
  };
}

/** Where the largest elements of four rows stand. */
const LEADERS = [
  [5, 6, 7],
  [7, 8],
  [66, 129, 196],
  [131, 132, 199],
];

const TIES = [2, 5, 5, 1, 5, 2, -1, -1, 0, -1, 3, 3];

export const cases: OpCase[] = [
  ...(['max', 'min'] as const).flatMap((mode) => [
    simple(mode, [5, 7], [1]),
    simple(mode, [5, 7], [0]),
    simple(mode, [3, 5, 4], [1]),
    simple(mode, [3, 5, 4], [0, 1], true),
    simple(mode, [3, 4, 5], [0, 2]),
    simple(mode, [3, 4, 5], [0, 1, 2]),
    simple(mode, [4, 1, 3], [1]),
    simple(mode, [1], [0]),
    simple(mode, [2, 40], [1]),
    simple(mode, [3, 33], [1]),
    simple(mode, [333, 37], [1]),
    simple(mode, [2000, 5], [0]),
    simple(mode, [100, 700], [0]),
    simple(mode, [70001], [0]),
    // Rows in packs of four, short and long, cut into slices or not.
    simple(mode, [5, 8], [1]),
    simple(mode, [7, 4], [1]),
    simple(mode, [333, 36], [1]),
    simple(mode, [3, 1100], [1]),
    simple(mode, [70004], [0]),
    simple(mode, [2, 9001, 3], [1]),
    simple(mode, [2, 5001, 8], [1]),
  ]),
  {
    name: 'of equals the first gets the gradient',
    inputs: { x: { shape: [2, 6], data: TIES }, w: { shape: [2], data: [3, 5] }, v: { shape: [6], data: [1, 2, 3, 4, 5, 6] } },
    build: ({ x, w, v }) => ({
      rows: gradients(elementwise('mul', extremum(x!, 'max', [1]), w!), [x!])[0]!,
      least: gradients(elementwise('mul', extremum(x!, 'min', [1]), w!), [x!])[0]!,
      columns: gradients(elementwise('mul', extremum(x!, 'max', [0]), v!), [x!])[0]!,
      all: gradients(extremum(x!, 'max'), [x!])[0]!,
    }),
    reference: () => ({
      rows: [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0],
      least: [0, 0, 0, 3, 0, 0, 5, 0, 0, 0, 0, 0],
      columns: [1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 6],
      all: [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }),
    gradients: [],
  },
  {
    // Equals in one pack, in different places of two packs, in packs of different threads and rounds.
    name: 'of equals the first gets the gradient, in rows of packs',
    inputs: {
      x: {
        shape: [4, 200],
        data: Array.from({ length: 800 }, (_, i) => (LEADERS[Math.floor(i / 200)]!.includes(i % 200) ? 9 : i % 7)),
      },
      w: { shape: [4], data: [2, 3, 4, 5] },
    },
    build: ({ x, w }) => ({ dx: gradients(elementwise('mul', extremum(x!, 'max', [1]), w!), [x!])[0]! }),
    reference: () => ({
      dx: Array.from({ length: 800 }, (_, i) => (i % 200 === LEADERS[Math.floor(i / 200)]![0] ? 2 + Math.floor(i / 200) : 0)),
    }),
    gradients: [],
  },
  {
    name: 'a sum of two maxima of one value',
    inputs: { x: { shape: [4, 6] }, z: { shape: [4, 6] } },
    build: ({ x, z }) => {
      const u = elementwise('mul', x!, z!);
      return { a: extremum(u, 'max', [0]), b: extremum(u, 'min', [1]), c: extremum(u, 'max', [1]) };
    },
    reference: ({ x, z }) => {
      const u = x!.map((v, i) => v * z![i]!);
      return { a: best(u, [4, 6], [0], 1), b: best(u, [4, 6], [1], -1), c: best(u, [4, 6], [1], 1) };
    },
  },
  ...[
    [2, 4, 3],
    [2, 4, 4],
  ].map((shape): OpCase => ({
    name: `gradients of several maxima of [${shape.join(', ')}] meet`,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: extremum(x!, 'max', [1]), z: extremum(x!, 'min', [1]), w: extremum(x!, 'max', [2]) }),
    reference: ({ x }) => ({ y: best(x!, shape, [1], 1), z: best(x!, shape, [1], -1), w: best(x!, shape, [2], 1) }),
  })),
  {
    name: 'a NaN in a long row, and equals far apart',
    inputs: {
      x: { shape: [3, 150], data: Array.from({ length: 450 }, (_, i) => (i === 240 ? NaN : i % 70)) },
      w: { shape: [3] },
    },
    build: ({ x, w }) => ({
      y: extremum(x!, 'max', [1]),
      dx: gradients(elementwise('mul', extremum(x!, 'max', [1]), w!), [x!])[0]!,
    }),
    reference: ({ w }) => ({
      y: [69, NaN, 69],
      dx: Array.from({ length: 450 }, (_, i) => (i === 69 ? w![0]! : i === 240 ? w![1]! : i === 349 ? w![2]! : 0)),
    }),
    gradients: [],
  },
  {
    name: 'a NaN in a row of packs',
    inputs: { x: { shape: [2, 24], data: Array.from({ length: 48 }, (_, i) => (i === 30 ? NaN : (i * 5) % 23)) } },
    build: ({ x }) => ({ y: extremum(x!, 'max', [1]), z: extremum(x!, 'min', [1]) }),
    reference: () => ({ y: [22, NaN], z: [0, NaN] }),
    gradients: [],
  },
  {
    name: 'a NaN wins',
    inputs: { x: { shape: [3, 4], data: [1, NaN, 3, 2, NaN, 1, 2, 3, 0, 1, 2, 3] } },
    build: ({ x }) => ({ y: extremum(x!, 'max', [1]), z: extremum(x!, 'min', [0]) }),
    reference: () => ({ y: [NaN, NaN, 3], z: [NaN, NaN, 2, 2] }),
    gradients: [],
  },
];
