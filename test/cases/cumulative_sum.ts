/** cumulativeSum along every axis, from either end, with and without the element itself; one row and many, long and short. */
import { cumulativeSum } from '../../lib/ops/cumulative_sum.js';
import { elementwise } from '../../lib/ops/map.js';
import { flat, indices, type OpCase } from './op_case.js';

/** Sums of x up to each element along an axis. */
export function cumulated(
  x: readonly number[],
  shape: readonly number[],
  axis: number,
  exclusive: boolean,
  reverse: boolean,
): number[] {
  return indices(shape).map((index) => {
    const at = index[axis]!;
    let sum = 0;
    for (let j = 0; j < shape[axis]!; j++) {
      const counts = j === at ? !exclusive : reverse ? j > at : j < at;
      if (counts) sum += x[flat(shape, index.with(axis, j))]!;
    }
    return sum;
  });
}

function simple(shape: number[], axis: number, exclusive = false, reverse = false): OpCase {
  return {
    name: `[${shape.join(', ')}] along ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', reversed' : ''}`,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: cumulativeSum(x!, axis, exclusive, reverse) }),
    reference: ({ x }) => ({ y: cumulated(x!, shape, axis, exclusive, reverse) }),
    terms: shape[axis]!,
    ...(shape.reduce((n, d) => n * d, 1) > 300 ? { gradients: [] } : {}),
  };
}

const ways = [false, true].flatMap((exclusive) => [false, true].map((reverse) => [exclusive, reverse] as const));

/** A row that is long enough to be cut among threads; its sums are known: small integers. */
function longRow(n: number, exclusive: boolean, reverse: boolean): OpCase {
  return {
    name: `one row of ${n}${exclusive ? ', exclusive' : ''}${reverse ? ', reversed' : ''}`,
    inputs: { x: { shape: [n], data: Array.from({ length: n }, (_, i) => (i % 3) - 1) } },
    build: ({ x }) => ({ y: cumulativeSum(x!, 0, exclusive, reverse) }),
    reference: ({ x }) => {
      const y = new Array<number>(n);
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const at = reverse ? n - 1 - i : i;
        const before = sum;
        sum += x![at]!;
        y[at] = exclusive ? before : sum;
      }
      return { y };
    },
    gradients: [],
  };
}

export const cases: OpCase[] = [
  ...ways.flatMap(([exclusive, reverse]) => [
    simple([6, 7], 1, exclusive, reverse),
    simple([5, 8], 1, exclusive, reverse),
    simple([3, 4, 5], 1, exclusive, reverse),
    simple([5, 3], 0, exclusive, reverse),
    simple([2, 1500], 1, exclusive, reverse),
    longRow(40_003, exclusive, reverse),
    longRow(10_004, exclusive, reverse),
  ]),
  simple([1], 0),
  simple([4, 1], 1, true),
  simple([40, 600], 1),
  simple([2, 2049], 1),
  {
    name: 'in place of what it reads',
    inputs: { x: { shape: [5, 9] } },
    build: ({ x }) => ({ y: cumulativeSum(elementwise('square', x!), 1, true, true) }),
    reference: ({ x }) => ({
      y: cumulated(
        x!.map((v) => v * v),
        [5, 9],
        1,
        true,
        true,
      ),
    }),
    terms: 9,
  },
];
