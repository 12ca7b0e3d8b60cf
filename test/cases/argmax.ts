/** argmax over the last axis; the first of equals. */
import { argmax } from '../../lib/ops/argmax.js';
import type { OpCase } from './op_case.js';

function simple(name: string, shape: number[], data?: number[]): OpCase {
  return {
    name,
    inputs: { x: { shape, ...(data ? { data } : {}) } },
    build: ({ x }) => ({ y: argmax(x!) }),
    reference: ({ x }) => {
      const n = shape.at(-1)!;
      const rows = Array.from({ length: x!.length / n }, (_, r) => x!.slice(r * n, (r + 1) * n));
      return { y: rows.map((row) => row.indexOf(Math.max(...row))) };
    },
    gradients: [],
  };
}

export const cases: OpCase[] = [
  simple('[6, 9]', [6, 9]),
  simple('[2, 3, 130]', [2, 3, 130]),
  simple('[5, 260]', [5, 260]),
  simple('one class', [4, 1]),
  simple('ties', [3, 4], [1, 2, 2, 0, -1, -1, -1, -1, 0, 0, 3, 3]),
];
