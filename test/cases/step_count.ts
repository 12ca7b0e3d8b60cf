/** stepCount: the counter as a float, also where several steps make one update, and beyond what float32 holds exactly. */
import { stepCount } from '../../lib/ops/step_count.js';
import { STATE, type OpCase } from './op_case.js';

const SITUATIONS: [step: number, every: number, expected: number][] = [
  [0, 1, 0],
  [7, 1, 7],
  [16_777_215, 1, 16_777_215],
  [16_777_217, 1, 16_777_216],
  [2_147_483_646, 1, 2_147_483_648],
  [11, 4, 2],
  [12, 4, 3],
  [2_147_483_647, 1000, 2_147_483],
];

export const cases: OpCase[] = SITUATIONS.map(([step, every, expected]) => ({
  name: `step ${step}, every ${every}`,
  inputs: { state: { ...STATE, data: [step, 5, 6, 7] } },
  build: ({ state }) => ({ y: stepCount(state!, every) }),
  reference: () => ({ y: [expected] }),
  gradients: [],
  rtol: 0,
}));
