/** softmax over the last axis, from one class to more than a block, and with large logits. */
import { softmax } from '../../lib/ops/softmax.js';
import type { OpCase } from './op_case.js';

/** softmax of each row of n. */
export function softmaxRows(x: readonly number[], n: number): number[] {
  const y: number[] = [];
  for (let r = 0; r < x.length; r += n) {
    const row = x.slice(r, r + n);
    const max = Math.max(...row);
    const e = row.map((v) => Math.exp(v - max));
    const total = e.reduce((s, v) => s + v, 0);
    y.push(...e.map((v) => v / total));
  }
  return y;
}

function simple(name: string, shape: number[], extra: Partial<OpCase> & { data?: number[] } = {}): OpCase {
  const { data, ...rest } = extra;
  return {
    name,
    inputs: { x: { shape, range: [-4, 4], ...(data ? { data } : {}) } },
    build: ({ x }) => ({ y: softmax(x!) }),
    reference: ({ x }) => ({ y: softmaxRows(x!, shape.at(-1)!) }),
    terms: 4,
    ...rest,
  };
}

export const cases: OpCase[] = [
  simple('[5, 7]', [5, 7]),
  simple('[2, 3, 4]', [2, 3, 4]),
  simple('one class', [3, 1]),
  simple('one element', [1]),
  simple('40 classes', [3, 40]),
  simple('600 rows of two classes: more than one block', [600, 2], { gradients: [] }),
  simple('37 rows of 64 classes: more than one block', [37, 64], { gradients: [] }),
  simple('a NaN spoils its row and no other', [3, 3], { data: [0, NaN, 1, 0, 1, 2, 3, 4, NaN], gradients: [] }),
  simple('1,031 classes', [3, 1031], { gradients: [] }),
  simple('2,049 classes: a block a row', [2, 2049], { gradients: [] }),
  simple('2,052 classes: a block a row', [2, 2052], { gradients: [] }),
  simple('large logits', [2, 3], { data: [1000, 999, 998, -1000, 0, 1000], gradients: [] }),
];
