/**
 * stepCount: the number of updates that are done, count[0], as float32 [1]. Exact up to 2^24 = 16,777,216 updates;
 * beyond, the nearest float32, at most 64 off before the counter's end at 2^31.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const stepCountOp = defineOp({
  name: 'stepCount',
  inputs: { count: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['float32'] } },
  infer: () => ({ y: { dtype: 'float32', shape: [1] } }),
});

/** The first of `count` (int32 [4]) as float32 [1]. */
export function stepCount(count: Value): Value {
  return count.graph.add(stepCountOp, { count }).outputs.y!;
}
