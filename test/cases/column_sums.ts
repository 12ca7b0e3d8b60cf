/** columnSums: sums of each column, of products, weighted by row; one column and many, odd numbers of rows. */
import { columnSums } from '../../lib/ops/column_sums.js';
import type { OpCase } from './op_case.js';

function simple(rows: number, columns: number, with_: { times?: boolean; weights?: boolean }, at = 0): OpCase {
  const total = Array.from({ length: columns + at + 1 }, (_, i) => i / 4);
  return {
    name: `[${rows}, ${columns}] ${Object.keys(with_).join(', ')}`,
    inputs: {
      x: { shape: [rows, columns] },
      ...(with_.times && { times: { shape: [rows, columns] } }),
      ...(with_.weights && { weights: { shape: [rows], range: [0, 3] } }),
      total: { shape: [total.length], dtype: 'float64', data: total },
    },
    build: ({ x, times, weights, total: t }) => (columnSums(x!, t!, { times, weights, at }), {}),
    reference({ x, times, weights }) {
      const sums = [...total];
      x!.forEach((v, i) => {
        sums[at + (i % columns)]! += v * (times?.[i] ?? 1) * (weights?.[Math.floor(i / columns)] ?? 1);
      });
      return { total: sums };
    },
    gradients: [],
    terms: rows,
  };
}

export const cases: OpCase[] = [
  simple(7, 3, {}),
  simple(1, 1, {}, 2),
  simple(40, 1, { times: true }),
  simple(37, 1, { weights: true }),
  simple(20011, 1, { times: true, weights: true }),
  simple(33, 40, { times: true, weights: true }, 3),
  simple(700, 37, { weights: true }),
  simple(5, 130, { times: true }),
  simple(19, 4, { weights: true }, 1),
  simple(600, 8, { times: true }),
  simple(3, 132, {}),
  {
    ...simple(64, 1, {}),
    name: 'one column of a matrix taken as a vector',
    inputs: { x: { shape: [8, 4, 2] }, total: { shape: [1], dtype: 'float64', data: [0] } },
    build: ({ x, total }) => (columnSums(x!, total!, { columns: 1 }), {}),
    reference: ({ x }) => ({ total: [x!.reduce((s, v) => s + v, 0)] }),
  },
];
