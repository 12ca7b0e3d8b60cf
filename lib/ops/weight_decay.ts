/**
 * weightDecay: W ← W − lr·decay·W over a parameter block in place (Loshchilov & Hutter 2019): parameters shrink without the
 * gradients knowing, before an optimizer's own update. Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const weightDecayOp = defineOp({
  name: 'weightDecay',
  inputs: {
    params: { dtypes: ['float32'], mutated: true },
    learningRate: { dtypes: ['float32'] },
    flag: { dtypes: ['int32'] },
  },
  outputs: {},
  attrs: { decay: { type: 'f32' } },
  infer: () => ({}),
});

/** From here on in the step `params`, a variable's value, is smaller by learningRate (float32 [1]) · decay of itself. */
export function weightDecay(params: Value, learningRate: Value, decay: number, flag: Value): void {
  params.graph.add(weightDecayOp, { params, learningRate, flag }, { decay });
}
