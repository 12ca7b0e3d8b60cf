/**
 * metricSum: total[0] += Σ x, total[1] += number of elements, in float64, so a mean over the whole pass is exact.
 * With `guard` a sum that is not finite sets the error flag {code 2, 0, 0, step}: updates stop from this step on.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const metricSumOp = defineOp({
  name: 'metricSum',
  inputs: {
    x: { dtypes: ['float32'] },
    state: { dtypes: ['int32'] },
    total: { dtypes: ['float64'], mutated: true },
    flag: { dtypes: ['int32'], mutated: true },
  },
  outputs: {},
  attrs: { guard: { type: 'enum', values: ['no', 'yes'], default: 'no' } },
  infer: () => ({}),
});

export function metricSum(x: Value, total: Value, state: Value, flag: Value, guard: boolean): void {
  x.graph.add(metricSumOp, { x, total, state, flag }, { guard: guard ? 'yes' : 'no' });
}
