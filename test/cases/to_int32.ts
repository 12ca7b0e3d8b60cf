/** toInt32: exact results. Towards zero; the ends of int32 and beyond; infinities; NaN. */
import { toInt32 } from '../../lib/ops/to_int32.js';
import type { OpCase } from './op_case.js';

/** Pairs of a number and what it becomes. */
const KNOWN: readonly (readonly [number, number])[] = [
  [0, 0],
  [-0, 0],
  [0.99, 0],
  [-0.99, 0],
  [1.5, 1],
  [-1.5, -1],
  [16_777_217.5, 16_777_218],
  // The last before the end, and the end.
  [2_147_483_520, 2_147_483_520],
  [2_147_483_648, 2_147_483_647],
  [-2_147_483_648, -2_147_483_648],
  [-2_147_483_904, -2_147_483_648],
  [3e38, 2_147_483_647],
  [-3e38, -2_147_483_648],
  [Infinity, 2_147_483_647],
  [-Infinity, -2_147_483_648],
  [NaN, 0],
];

function known(name: string, count: number): OpCase {
  const pairs = KNOWN.slice(0, count);
  return {
    name,
    inputs: { x: { shape: [count], data: pairs.map(([x]) => x) } },
    build: ({ x }) => ({ y: toInt32(x!) }),
    reference: () => ({ y: pairs.map(([, y]) => y) }),
    gradients: [],
    rtol: 0,
  };
}

export const cases: OpCase[] = [
  known('what rounds and what does not fit', KNOWN.length),
  known('thirteen numbers', 13),
  {
    name: 'several threads',
    inputs: { x: { shape: [3, 12_001], range: [-1e6, 1e6] } },
    build: ({ x }) => ({ y: toInt32(x!) }),
    reference: ({ x }) => ({ y: x!.map(Math.trunc) }),
    gradients: [],
    rtol: 0,
  },
];
