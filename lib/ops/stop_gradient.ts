/** stopGradient: the very value, but a constant to differentiation. No kernel: the memory is renamed. */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

const stopGradientOp = defineOp({
  name: 'stopGradient',
  view: true,
  inputs: { x: { dtypes: ['float32', 'int32', 'uint8'] } },
  outputs: { y: { dtypes: ['float32', 'int32', 'uint8'] } },
  infer: ({ x }) => ({ y: { dtype: x!.dtype, shape: x!.shape } }),
  isFlat: () => true,
  backward: () => ({}),
});

export function stopGradient(x: Value): Value {
  return x.graph.add(stopGradientOp, { x }).outputs.y!;
}
