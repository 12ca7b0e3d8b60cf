/**
 * movingAverage: average ← momentum·average + (1 − momentum)·value in place, over tensors of one size; nothing while the
 * error flag is set. It keeps batch normalisation's statistics, and averages of a whole parameter block. Both factors are
 * attributes, since 1 − momentum in float32 would have lost most digits of a small rate. One instruction moves up to
 * AVERAGES pairs of tensors: lowering puts averages of one momentum together.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';

/** Pairs of tensors in one instruction. */
export const AVERAGES = 16;

const float = { dtypes: ['float32'] } as const;
const further = Array.from({ length: AVERAGES - 1 }, (_, i) => i + 2);

export const movingAverageOp = defineOp({
  name: 'movingAverage',
  inputs: {
    average1: { ...float, mutated: true },
    value1: float,
    flag: { dtypes: ['int32'] },
    ...Object.fromEntries(further.map((i) => [`average${i}`, { ...float, mutated: true, optional: true }])),
    ...Object.fromEntries(further.map((i) => [`value${i}`, { ...float, optional: true }])),
  },
  outputs: {},
  attrs: { momentum: { type: 'f32' }, rate: { type: 'f32' } },
  infer({ average1, value1 }) {
    if (!sameShape(average1!.shape, value1!.shape)) {
      const [a, v] = [formatShape(average1!.shape), formatShape(value1!.shape)];
      throw new GradstepError('ERR_SHAPE', `Cannot average values of shape ${v} in one of shape ${a}`);
    }
    return {};
  },
});

/**
 * From here on in the step the variable `average` holds momentum·average + (1 − momentum)·value.
 * @param average a variable's value, of the same shape as `value`
 * @param momentum in [0, 1]: 0 takes the value, 1 leaves the average
 * @param flag the error-flag value: while it is set nothing changes
 */
export function movingAverage(average: Value, value: Value, momentum: number, flag: Value): void {
  average.graph.add(movingAverageOp, { average1: average, value1: value, flag }, { momentum, rate: 1 - momentum });
}
