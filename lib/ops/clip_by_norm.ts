/**
 * clipByNorm: a gradient block is scaled in place by min(1, limit / norm), all of it by its norm or each tensor in it by its
 * own. `begins` (int32 [tensors]) says where tensors begin, in units of 16 elements, the 64 bytes that tensors of a block are
 * aligned to; the gaps behind them are zero. Squares are added up in float64 and in a fixed order. The norms from before
 * are an output. A norm that is NaN makes its gradients NaN, but for those that are 0, as gaps are; an infinite one zeros and NaN: it is
 * noticed.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const clipByNormOp = defineOp({
  name: 'clipByNorm',
  inputs: { grads: { dtypes: ['float32'], mutated: true }, begins: { dtypes: ['int32'], optional: true } },
  outputs: { norms: { dtypes: ['float32'] } },
  attrs: { limit: { type: 'f32' } },
  infer: ({ begins }) => ({ norms: { dtype: 'float32', shape: begins?.shape ?? [1] } }),
});

/** Elements in a unit of `begins`. */
const UNIT = 16;

/** What `begins` holds for tensors at these byte offsets of their block. */
export function blockBegins(offsets: readonly number[]): Int32Array {
  return Int32Array.from(offsets, (bytes) => {
    const begin = bytes / (4 * UNIT);
    if (!Number.isInteger(begin) || begin > 0x7fffffff)
      throw new GradstepError('ERR_INTERNAL', `No tensor begins at byte ${bytes}`);
    return begin;
  });
}

/** Each tensor of `grads`, a variable's value, has a norm of at most `limit` from here on; returns the norms before, [tensors]. */
export function clipByNorm(grads: Value, begins: Value, limit: number): Value {
  return grads.graph.add(clipByNormOp, { grads, begins }, { limit }).outputs.norms!;
}

/** All of `grads`, a variable's value, has a norm of at most `limit` from here on; returns the norm before, [1]. */
export function clipByGlobalNorm(grads: Value, limit: number): Value {
  return grads.graph.add(clipByNormOp, { grads }, { limit }).outputs.norms!;
}
