/**
 * targetRank: how many elements along the last axis are larger than the one at `target`: 0 where the target leads, and
 * equals do not count. A NaN beats every number. A target outside the axis is behind all: the axis' length.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';

export const targetRankOp = defineOp({
  name: 'targetRank',
  inputs: { x: { dtypes: ['float32'] }, target: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['int32'] } },
  infer({ x, target }) {
    if (!sameShape(x!.shape.slice(0, -1), target!.shape)) {
      throw new GradstepError('ERR_SHAPE', `Cannot look up ${formatShape(target!.shape)} in ${formatShape(x!.shape)}`);
    }
    return { y: { dtype: 'int32', shape: target!.shape } };
  },
  backward: () => ({}),
});

export function targetRank(x: Value, target: Value): Value {
  return x.graph.add(targetRankOp, { x, target }).outputs.y!;
}
