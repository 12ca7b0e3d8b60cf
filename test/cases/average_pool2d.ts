/** averagePool2d: padding is not counted; windows that overlap or leave gaps. */
import { averagePool2d } from '../../lib/ops/average_pool2d.js';
import type { Pool2d } from '../../lib/ops/max_pool2d.js';
import { POOL, pool } from './max_pool2d.js';
import type { OpCase } from './op_case.js';

function simple(name: string, shape: [number, number, number, number], geometry: Partial<Pool2d> = {}): OpCase {
  const g = { ...POOL, ...geometry };
  return {
    name,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: averagePool2d(x!, g) }),
    reference: ({ x }) => ({ y: pool(x!, shape, g, (window) => window.reduce((s, v) => s + v, 0) / window.length) }),
    terms: 9,
  };
}

export const cases: OpCase[] = [
  simple('2×2', [2, 4, 6, 3]),
  simple('an odd row left over', [1, 5, 7, 2]),
  simple('3×3 overlapping, padded on every side', [1, 5, 4, 2], {
    poolH: 3,
    poolW: 3,
    strideH: 1,
    strideW: 1,
    padTop: 1,
    padBottom: 1,
    padLeft: 1,
    padRight: 1,
  }),
  simple('stride larger than the window', [1, 7, 7, 2], { strideH: 3, strideW: 3 }),
  simple('many channels', [1, 3, 3, 67], { poolH: 3, poolW: 3 }),
  simple('one element', [1, 1, 1, 1], { poolH: 1, poolW: 1, strideH: 1, strideW: 1 }),
];
