/** clipByValue: every element of a gradient block is cut to [−limit, limit], in place. NaN stays, so that it is noticed. */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const clipByValueOp = defineOp({
  name: 'clipByValue',
  inputs: { grads: { dtypes: ['float32'], mutated: true } },
  outputs: {},
  attrs: { limit: { type: 'f32' } },
  infer: () => ({}),
});

/** From here on in the step no element of `grads`, a variable's value, is beyond ±limit. */
export function clipByValue(grads: Value, limit: number): void {
  grads.graph.add(clipByValueOp, { grads }, { limit });
}
