/**
 * movingAverage: average ← momentum·average + (1 − momentum)·value in place, over tensors of one size; nothing while the
 * error flag is set. It keeps batch normalisation's statistics, and averages of a whole parameter block. Both factors are
 * attributes, since 1 − momentum in float32 would have lost most digits of a small rate.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';

export const movingAverageOp = defineOp({
  name: 'movingAverage',
  inputs: { average: { dtypes: ['float32'], mutated: true }, value: { dtypes: ['float32'] }, flag: { dtypes: ['int32'] } },
  outputs: {},
  attrs: { momentum: { type: 'f32' }, rate: { type: 'f32' } },
  infer({ average, value }) {
    if (!sameShape(average!.shape, value!.shape)) {
      const [a, v] = [formatShape(average!.shape), formatShape(value!.shape)];
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
  average.graph.add(movingAverageOp, { average, value, flag }, { momentum, rate: 1 - momentum });
}
