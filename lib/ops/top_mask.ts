/**
 * topMask: the k largest elements along the last axis. `y` is 1 for them, else 0; `at` [..., k] is where they stand, the largest in
 * front. The first of equals comes first; a NaN is largest.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const topMaskOp = defineOp({
  name: 'topMask',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'], optional: true }, at: { dtypes: ['int32'], optional: true } },
  attrs: { k: { type: 'i32' } },
  infer({ x }, attrs) {
    const length = x!.shape.at(-1) ?? 0;
    const k = attrs.k as number;
    if (k < 1 || k > length) throw new GradstepError('ERR_SHAPE', `Cannot choose the ${k} largest of ${length}`);
    return { y: { dtype: 'float32', shape: x!.shape }, at: { dtype: 'int32', shape: [...x!.shape.slice(0, -1), k] } };
  },
  backward: () => ({}),
});

/** `k` from 1 to the length of the last axis. */
export function topMask(x: Value, k: number): Value {
  return x.graph.add(topMaskOp, { x }, { k }).outputs.y!;
}

/** Where they stand, the largest in front: int32 [..., k]. */
export function topPositions(x: Value, k: number): Value {
  return x.graph.add(topMaskOp, { x }, { k }).outputs.at!;
}
