/** averagePool2d: the mean of each window, per channel, NHWC; padding is not counted. averagePool2dDx is its gradient. */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { poolGeometry, pooledShape, type Pool2d } from './max_pool2d.js';

export const averagePool2dOp = defineOp({
  name: 'averagePool2d',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'] } },
  attrs: poolGeometry,
  infer: ({ x }, attrs) => ({ y: { dtype: 'float32', shape: pooledShape(x!, attrs) } }),
  backward: ({ node, grads }) => ({
    x: grads.y!.graph.add(averagePool2dDxOp, { dy: grads.y! }, { ...node.attrs, shape: node.inputs.x!.shape }).outputs.dx!,
  }),
});

export const averagePool2dDxOp = defineOp({
  name: 'averagePool2dDx',
  inputs: { dy: { dtypes: ['float32'] } },
  outputs: { dx: { dtypes: ['float32'] } },
  attrs: { ...poolGeometry, shape: { type: 'dims' } },
  infer: (_inputs, attrs) => ({ dx: { dtype: 'float32', shape: attrs.shape as number[] } }),
  backward({ node, grads }) {
    const { shape: _shape, ...window } = node.attrs;
    return { dy: grads.dx!.graph.add(averagePool2dOp, { x: grads.dx! }, window).outputs.y! };
  },
});

export function averagePool2d(x: Value, window: Pool2d): Value {
  return x.graph.add(averagePool2dOp, { x }, { ...window }).outputs.y!;
}
