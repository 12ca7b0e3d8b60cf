/** logSoftmax over the last axis: few and many classes, in one warp and in a block, and logits far apart. */
import { logSoftmax } from '../../lib/ops/log_softmax.js';
import type { OpCase } from './op_case.js';

function rowsOf(x: readonly number[], n: number): number[] {
  const y: number[] = [];
  for (let r = 0; r < x.length; r += n) {
    const row = x.slice(r, r + n);
    const max = Math.max(...row);
    const log = Math.log(row.reduce((s, v) => s + Math.exp(v - max), 0));
    y.push(...row.map((v) => v - max - log));
  }
  return y;
}

function simple(name: string, shape: number[], extra: Partial<OpCase> & { data?: number[] } = {}): OpCase {
  const { data, ...rest } = extra;
  return {
    name,
    inputs: { x: { shape, range: [-4, 4], ...(data ? { data } : {}) } },
    build: ({ x }) => ({ y: logSoftmax(x!) }),
    reference: ({ x }) => ({ y: rowsOf(x!, shape.at(-1)!) }),
    terms: 4,
    ...rest,
  };
}

export const cases: OpCase[] = [
  simple('[5, 7]', [5, 7], { terms: 7 }),
  simple('[2, 3, 4]', [2, 3, 4]),
  simple('one class', [3, 1]),
  simple('one element', [1]),
  simple('40 classes', [3, 40], { terms: 40 }),
  simple('1,100 rows of three classes: more than one block', [1100, 3], { gradients: [] }),
  simple('a NaN spoils its row and no other', [3, 3], { data: [0, NaN, 1, 0, 1, 2, 3, 4, NaN], gradients: [] }),
  simple('1,031 classes', [3, 1031], { gradients: [] }),
  simple('2,049 classes: a block a row', [2, 2049], { gradients: [] }),
  simple('2,052 classes: a block a row', [2, 2052], { gradients: [] }),
  simple('logits far apart', [2, 3], { data: [100, 0, -100, -1000, 0, 1000] }),
];
