/** reshape: the same elements in the same order under another shape. No kernel: the memory is renamed. */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../graph/shape.js';

const reshapeOp = defineOp({
  name: 'reshape',
  view: true,
  inputs: { x: { dtypes: ['float32', 'int32', 'uint8'] } },
  outputs: { y: { dtypes: ['float32', 'int32', 'uint8'] } },
  attrs: { shape: { type: 'dims' } },
  infer: ({ x }, attrs) => ({ y: { dtype: x!.dtype, shape: attrs.shape as number[] } }),
  backward: ({ node, grads }) => ({ x: reshape(grads.y!, node.inputs.x!.shape) }),
});

/** `x` under another shape with as many elements. */
export function reshape(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  if (sizeOf(x.shape) !== sizeOf(shape)) {
    throw new GradstepError('ERR_SHAPE', `Cannot reshape ${formatShape(x.shape)} into ${formatShape(shape)}`);
  }
  return x.graph.add(reshapeOp, { x }, { shape }).outputs.y!;
}

/** The very value under another name: to the graph it is another one. */
export function rename(x: Value): Value {
  return x.graph.add(reshapeOp, { x }, { shape: x.shape }).outputs.y!;
}
