/** oneHot: one number a row and many, counted and noted; numbers outside the classes, with and without the flag. */
import { classCounts, oneHot } from '../../lib/ops/one_hot.js';
import { FLAG, STATE, type OpCase } from './op_case.js';

/** How often each class is among the numbers of each row. */
export function counts(x: readonly number[], length: number, classes: number): number[] {
  return Array.from({ length: x.length / length }, (_, row) =>
    Array.from({ length: classes }, (_, c) => x.slice(row * length, (row + 1) * length).filter((v) => v === c).length),
  ).flat();
}

function single(shape: number[], classes: number): OpCase {
  return {
    name: `[${shape.join(', ')}] of ${classes} classes`,
    inputs: { x: { shape, dtype: 'int32', range: [0, classes] } },
    build: ({ x }) => ({ y: oneHot(x!, classes) }),
    reference: ({ x }) => ({ y: counts(x!, 1, classes) }),
    gradients: [],
  };
}

function many(shape: number[], classes: number, mode: 'count' | 'any'): OpCase {
  return {
    name: `${mode} in rows of ${shape.at(-1)}, ${classes} classes`,
    inputs: { x: { shape, dtype: 'int32', range: [0, classes] }, state: STATE, flag: FLAG },
    build: ({ x, state, flag }) => ({ y: classCounts(x!, classes, mode, { state: state!, flag: flag! }) }),
    reference: ({ x }) => ({
      y: counts(x!, shape.at(-1)!, classes).map((v) => (mode === 'any' ? Math.min(v, 1) : v)),
      flag: [0, 0, 0, 0],
    }),
    gradients: [],
  };
}

export const cases: OpCase[] = [
  single([5], 3),
  single([4, 6], 8),
  single([2, 3, 2], 5),
  single([3], 1),
  single([130], 257),
  many([4, 9], 5, 'count'),
  many([4, 9], 4, 'any'),
  many([2, 3, 7], 6, 'any'),
  many([1, 40], 3, 'count'),
  {
    name: 'numbers outside the classes are nothing, and the first is told',
    inputs: {
      x: { shape: [3, 2, 2], dtype: 'int32', data: [0, 3, 1, 2, 3, 4, -1, 0, 9, 9, 1, 1] },
      state: { ...STATE, data: [7, 0, 0, 0] },
      flag: FLAG,
    },
    build: ({ x, state, flag }) => ({ y: classCounts(x!, 4, 'count', { state: state!, flag: flag!, place: 5 }) }),
    reference: ({ x }) => ({ y: counts(x!, 2, 4), flag: [4 + 256 * 5, 1, 4, 7] }),
    gradients: [],
  },
  {
    name: 'an earlier error stays',
    inputs: {
      x: { shape: [2], dtype: 'int32', data: [0, -3] },
      state: STATE,
      flag: { ...FLAG, data: [2, 8, 9, 1] },
    },
    build: ({ x, state, flag }) => ({ y: oneHot(x!, 3, { state: state!, flag: flag! }) }),
    reference: () => ({ y: [1, 0, 0, 0, 0, 0], flag: [2, 8, 9, 1] }),
    gradients: [],
  },
  {
    name: 'without a flag nothing is told',
    inputs: { x: { shape: [3], dtype: 'int32', data: [5, 1, -1] } },
    build: ({ x }) => ({ y: oneHot(x!, 2) }),
    reference: () => ({ y: [0, 0, 0, 1, 0, 0] }),
    gradients: [],
  },
];
