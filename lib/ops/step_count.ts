/**
 * stepCount: the number of updates that are done, as float32 [1]: ⌊state[0] / every⌋, divided in whole numbers. Exact up to
 * 2^24 = 16,777,216 updates; beyond, the nearest float32, at most 64 off before the counter's end at 2^31.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const stepCountOp = defineOp({
  name: 'stepCount',
  inputs: { state: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['float32'] } },
  attrs: { every: { type: 'i32', default: 1 } },
  infer: () => ({ y: { dtype: 'float32', shape: [1] } }),
});

/** Updates done, float32 [1]. @param every steps that make one update, > 1 where gradients are added up over several */
export function stepCount(state: Value, every = 1): Value {
  return state.graph.add(stepCountOp, { state }, { every }).outputs.y!;
}
