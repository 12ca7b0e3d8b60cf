/** reduceSum over every arrangement of outer, length and inner, of numbers in bfloat16, and added to what is there. */
import { elementwise } from '../../lib/ops/map.js';
import { mean, sum } from '../../lib/ops/reduce_sum.js';
import { flat, indices, type OpCase } from './op_case.js';

function reduce(name: string, shape: number[], axes: number[], keepDims = false): OpCase {
  const kept = shape.filter((_, i) => !axes.includes(i));
  const terms = axes.reduce((n, a) => n * shape[a]!, 1);
  return {
    name,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: sum(x!, axes, keepDims) }),
    reference: ({ x }) => {
      const y = new Array<number>(kept.reduce((n, d) => n * d, 1)).fill(0);
      for (const index of indices(shape)) {
        y[
          flat(
            kept,
            index.filter((_, i) => !axes.includes(i)),
          )
        ]! += x![flat(shape, index)]!;
      }
      return { y };
    },
    narrow: [['x']],
    terms,
    ...(shape.reduce((n, d) => n * d, 1) > 600 ? { gradients: [] } : {}),
  };
}

export const cases: OpCase[] = [
  reduce('last axis', [5, 7], [1]),
  reduce('first axis', [5, 7], [0]),
  reduce('middle axis', [3, 5, 4], [1]),
  reduce('outer axes', [3, 5, 4], [0, 1], true),
  reduce('two separate axes', [3, 4, 5], [0, 2]),
  reduce('everything', [3, 4, 5], [0, 1, 2]),
  reduce('one element', [1], [0]),
  reduce('length 1', [4, 1, 3], [1]),
  reduce('many rows of odd length', [333, 37], [1]),
  reduce('long columns', [2000, 5], [0]),
  reduce('wide columns', [100, 700], [0]),
  reduce('one long row', [70001], [0]),
  reduce('last axis, whole vectors', [5, 24], [1]),
  reduce('many rows, whole vectors', [333, 40], [1]),
  reduce('one long row, whole vectors', [70004], [0]),
  reduce('long columns, whole vectors', [2001, 12], [0]),
  reduce('middle axis, whole vectors', [2, 1000, 36], [1]),
  {
    name: 'mean, added to an earlier sum',
    inputs: { x: { shape: [6, 4] }, z: { shape: [6, 4] } },
    build: ({ x, z }) => ({ y: elementwise('add', sum(x!, [0]), mean(z!, [0])) }),
    reference: ({ x, z }) => ({
      y: [0, 1, 2, 3].map((c) => [0, 1, 2, 3, 4, 5].reduce((s, r) => s + x![r * 4 + c]! + z![r * 4 + c]! / 6, 0)),
    }),
    narrow: [['x', 'z'], ['z']],
    terms: 12,
  },
  {
    name: 'row sums added to an earlier sum',
    inputs: { x: { shape: [6, 4] }, z: { shape: [6, 4] } },
    build: ({ x, z }) => ({ y: elementwise('add', sum(x!, [1]), sum(z!, [1])) }),
    reference: ({ x, z }) => ({
      y: [0, 1, 2, 3, 4, 5].map((r) => [0, 1, 2, 3].reduce((s, c) => s + x![r * 4 + c]! + z![r * 4 + c]!, 0)),
    }),
    narrow: [['x', 'z'], ['z']],
    terms: 8,
  },
];
