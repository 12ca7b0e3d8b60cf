/** targetRank: how many elements beat the target; ties, NaN, targets outside. */
import { targetRank } from '../../lib/ops/target_rank.js';
import type { OpCase } from './op_case.js';

function simple(name: string, shape: number[], data?: { x?: number[]; target: number[] }): OpCase {
  const n = shape.at(-1)!;
  return {
    name,
    inputs: {
      x: { shape, ...(data?.x && { data: data.x }) },
      target: { shape: shape.slice(0, -1), dtype: 'int32', range: [0, n], ...(data && { data: data.target }) },
    },
    build: ({ x, target }) => ({ y: targetRank(x!, target!) }),
    reference: ({ x, target }) => ({
      y: target!.map((t, r) => (t < 0 || t >= n ? n : x!.slice(r * n, (r + 1) * n).filter((v) => !(v <= x![r * n + t]!)).length)),
    }),
    gradients: [],
  };
}

export const cases: OpCase[] = [
  simple('[6, 9]', [6, 9]),
  simple('[2, 3, 130]', [2, 3, 130]),
  simple('many rows', [3000, 10]),
  simple('[7, 8]', [7, 8]),
  simple('[2, 3, 132]', [2, 3, 132]),
  simple('one class', [4, 1]),
  simple('ties and NaN', [4, 3], { x: [1, 1, 2, NaN, 1, 0, NaN, 1, 0, 5, 5, 5], target: [0, 1, 0, 2] }),
  simple('ties and NaN in rows of packs', [3, 4], { x: [1, 2, 1, 2, 1, NaN, 0, NaN, 5, 5, 5, 5], target: [2, 0, 3] }),
  simple('targets outside', [3, 2], { target: [-1, 2, 1] }),
];
