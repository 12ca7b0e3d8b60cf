/** topMask: the k largest of a row as a mask, as positions and as both; ties go to the first, NaN is largest. */
import { topMask, topMaskOp, topPositions } from '../../lib/ops/top_mask.js';
import type { OpCase } from './op_case.js';

/** Where the k largest of each row of n stand, the largest in front. */
export function leaders(x: readonly number[], n: number, k: number): number[] {
  // A NaN is above infinity.
  const rank = (v: number) => (Number.isNaN(v) ? 1 : 0);
  const later = (a: number, b: number) => rank(b) - rank(a) || (a === b || rank(a) ? 0 : a < b ? 1 : -1);
  return Array.from({ length: x.length / n }, (_, row) => {
    const order = Array.from({ length: n }, (_, i) => i);
    const at = (i: number) => x[row * n + i]!;
    return order.sort((a, b) => later(at(a), at(b)) || a - b).slice(0, k);
  }).flat();
}

type Asked = 'mask' | 'positions' | 'both';

function simple(name: string, shape: number[], k: number, data?: number[], asked: Asked = 'mask'): OpCase {
  const n = shape.at(-1)!;
  return {
    name: `${name}, k ${k}${asked === 'mask' ? '' : `, ${asked}`}`,
    inputs: { x: { shape, ...(data && { data }) } },
    build({ x }) {
      if (asked === 'both') return x!.graph.add(topMaskOp, { x }, { k }).outputs;
      return asked === 'mask' ? { y: topMask(x!, k) } : { at: topPositions(x!, k) };
    },
    reference({ x }) {
      const at = leaders(x!, n, k);
      const y = x!.map(() => 0);
      at.forEach((i, j) => (y[Math.floor(j / k) * n + i] = 1));
      return { ...(asked !== 'positions' && { y }), ...(asked !== 'mask' && { at }) };
    },
    gradients: [],
  };
}

const masks: OpCase[] = [
  simple('[6, 9]', [6, 9], 3),
  simple('[2, 3, 130]', [2, 3, 130], 1),
  simple('[2, 3, 132]', [2, 3, 132], 3),
  simple('[5, 40]', [5, 40], 40),
  simple('many rows', [3000, 10], 4),
  simple('one class', [4, 1], 1),
  simple('more leaders than are looked for one by one', [7, 300], 40),
  simple('a row of zeros of both signs', [1, 6], 3, [-0, 0, -0, 0, 0, -0]),
  simple('negative numbers and infinities', [2, 5], 2, [-1, -3, -2, -Infinity, -1e-40, -Infinity, 5, Infinity, -5, -Infinity]),
  simple('more NaNs than leaders', [1, 5], 2, [1, NaN, NaN, NaN, 2]),
  simple('many NaNs and numbers', [2, 17], 3, [...new Array<number>(15).fill(NaN), 1, 2, ...new Array<number>(16).fill(1), 0]),
  simple(
    'ties among 40',
    [1, 40],
    20,
    Array.from({ length: 40 }, (_, i) => (i * 7) % 5),
  ),
  simple('ties and NaN', [3, 4], 2, [1, 2, 2, 2, 0, NaN, 3, NaN, 5, 5, 5, 5]),
];

const TIES = [1, 2, 2, 2, 0, NaN, 3, NaN, 5, 5, 5, 5, -0, 0, Infinity, -1];

export const cases: OpCase[] = [
  ...masks,
  ...(['positions', 'both'] as const).flatMap((asked) => [
    simple('[6, 9]', [6, 9], 3, undefined, asked),
    simple('[2, 3, 132]', [2, 3, 132], 5, undefined, asked),
    simple('[5, 41]', [5, 41], 41, undefined, asked),
    simple('many rows', [3000, 10], 4, undefined, asked),
    simple('many longer rows', [300, 70], 2, undefined, asked),
    simple('one class', [4, 1], 1, undefined, asked),
    simple('more leaders than are looked for one by one', [7, 300], 40, undefined, asked),
    simple('ties, NaN, infinity and zeros of both signs', [4, 4], 3, TIES, asked),
    simple(
      'many NaNs and numbers',
      [2, 17],
      3,
      [...new Array<number>(15).fill(NaN), 1, 2, ...new Array<number>(16).fill(1), 0],
      asked,
    ),
  ]),
];
