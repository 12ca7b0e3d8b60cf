/**
 * restarts: where steps lie among cycles of which the first has `first` steps and each further one `growth` >= 1 times
 * the steps of the one before: the cycle's number and the part of it that is over, in [0, 1). Worked out in float64, so
 * that a cycle begins at the very step it should: in float32 the logarithms would be off by steps.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const restartsOp = defineOp({
  name: 'restarts',
  inputs: { step: { dtypes: ['float32'] } },
  outputs: { cycle: { dtypes: ['float32'] }, part: { dtypes: ['float32'] } },
  attrs: {
    first: { type: 'f32' },
    growth: { type: 'f32' },
    /** What float32 leaves of the growth: 1.1 would not be 1.1 otherwise. */
    growthRest: { type: 'f32', default: 0 },
  },
  infer({ step }) {
    const type = { dtype: 'float32', shape: step!.shape } as const;
    return { cycle: type, part: type };
  },
});

/** The cycle that each step is in, and how much of it is over; all of one shape. */
export function restarts(step: Value, first: number, growth: number): { cycle: Value; part: Value } {
  const rounded = Math.fround(growth);
  const { cycle, part } = step.graph.add(restartsOp, { step }, { first, growth: rounded, growthRest: growth - rounded }).outputs;
  return { cycle: cycle!, part: part! };
}

/** Steps are compared with the beginnings of cycles up to this part of themselves: rounding is smaller, a step larger. */
const SLACK = 1e-9;

/** The same in JavaScript. */
export function restartsAt(step: number, first: number, growth: number): { cycle: number; part: number } {
  const time = step / first;
  if (growth === 1) return { cycle: Math.floor(time), part: time - Math.floor(time) };
  const begin = (cycle: number): number => Math.expm1(cycle * Math.log(growth)) / (growth - 1);
  const reached = time * (1 + SLACK);
  let cycle = Math.floor(Math.log1p(time * (growth - 1)) / Math.log(growth));
  if (begin(cycle) > reached) cycle--;
  else if (begin(cycle + 1) <= reached) cycle++;
  return { cycle, part: Math.max(0, (time - begin(cycle)) / Math.pow(growth, cycle)) };
}
