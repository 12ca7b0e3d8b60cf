/** clipByValue: elements beyond the limit on either side, at it, and NaN, which stays. */
import { clipByValue } from '../../lib/ops/clip_by_value.js';
import type { CaseInput, OpCase } from './op_case.js';

function clipped(name: string, grads: CaseInput, limit: number): OpCase {
  return {
    name,
    inputs: { grads },
    build: ({ grads: g }) => (clipByValue(g!, limit), {}),
    reference: ({ grads: g }) => ({ grads: g!.map((v) => Math.min(Math.max(v, -limit), limit)) }),
    gradients: [],
    rtol: 0,
  };
}

export const cases: OpCase[] = [
  clipped('of 37', { shape: [37] }, 0.5),
  clipped('of one', { shape: [1], data: [-7] }, 2),
  clipped('several threads', { shape: [40001] }, 0.25),
  clipped('at the limit, infinite, and no numbers', { shape: [7], data: [2, -2, 2.5, Infinity, -Infinity, NaN, 0] }, 2),
];
