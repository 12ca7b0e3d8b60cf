/** stepCount: the counter as a float, also beyond what float32 holds exactly. */
import { stepCount } from '../../lib/ops/step_count.js';
import { STATE, type OpCase } from './op_case.js';

const COUNTS: [count: number, expected: number][] = [
  [0, 0],
  [7, 7],
  [16_777_215, 16_777_215],
  [16_777_217, 16_777_216],
  [2_147_483_646, 2_147_483_648],
];

export const cases: OpCase[] = COUNTS.map(([count, expected]) => ({
  name: `${count}`,
  inputs: { count: { ...STATE, data: [count, 5, 6, 7] } },
  build: ({ count: value }) => ({ y: stepCount(value!) }),
  reference: () => ({ y: [expected] }),
  gradients: [],
  rtol: 0,
}));
