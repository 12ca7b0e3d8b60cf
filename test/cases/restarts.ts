/** restarts: cycles that are added up one by one, at and around their beginnings, for lengths that float32 does not hold. */
import { restarts } from '../../lib/ops/restarts.js';
import type { OpCase } from './op_case.js';

/** The cycle by counting. Lengths are whole in these cases, up to rounding. */
function counted(step: number, first: number, growth: number): { cycle: number; part: number } {
  let [begin, length, cycle] = [0, first, 0];
  while (step >= begin + length - 1e-6) {
    begin += length;
    length *= growth;
    cycle++;
  }
  return { cycle, part: Math.max(0, (step - begin) / length) };
}

const at = (steps: readonly number[], first: number, growth: number): OpCase => ({
  name: `${steps.length} steps, first ${first}, growth ${growth}`,
  inputs: { step: { shape: [steps.length], data: steps } },
  build: ({ step }) => restarts(step!, first, growth),
  reference: () => {
    const places = steps.map((step) => counted(step, first, growth));
    return { cycle: places.map((p) => p.cycle), part: places.map((p) => p.part) };
  },
  gradients: [],
});

export const cases: OpCase[] = [
  at([0, 1, 9, 10, 11, 999, 1000, 16_777_215], 10, 1),
  at([29], 10, 2),
  at([30], 10, 2),
  // Beginnings 0, 10, 30, 70, 150.
  at([0, 9, 10, 29, 30, 69, 70, 149, 150, 10 * (2 ** 20 - 1) - 1, 10 * (2 ** 20 - 1)], 10, 2),
  // Beginnings 0, 1000, 2100, 3310, 4641 and 6105.1.
  at([999, 1000, 2099, 2100, 3309, 3310, 4640, 4641, 6105, 6106], 1000, 1.1),
  at(
    Array.from({ length: 40 }, (_, i) => 15_000_000 + i * 997),
    1000,
    1.0001,
  ),
];
