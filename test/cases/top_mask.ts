/** topMask: the k largest of a row; ties go to the first, NaN is largest. */
import { topMask } from '../../lib/ops/top_mask.js';
import type { OpCase } from './op_case.js';

function simple(name: string, shape: number[], k: number, data?: number[]): OpCase {
  const n = shape.at(-1)!;
  return {
    name: `${name}, k ${k}`,
    inputs: { x: { shape, ...(data && { data }) } },
    build: ({ x }) => ({ y: topMask(x!, k) }),
    reference({ x }) {
      const y = x!.map(() => 0);
      for (let row = 0; row < x!.length; row += n) {
        const order = Array.from({ length: n }, (_, i) => row + i);
        const key = (i: number) => (Number.isNaN(x![i]) ? Infinity : x![i]!);
        order.sort((a, b) => (key(b) === key(a) ? a - b : key(b) - key(a)));
        for (const i of order.slice(0, k)) y[i] = 1;
      }
      return { y };
    },
    gradients: [],
  };
}

export const cases: OpCase[] = [
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
