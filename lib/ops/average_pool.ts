/**
 * averagePool: the mean of each window, per channel, of [N, H, W, C] or [N, D, H, W, C]; padding is not counted.
 * averagePoolDx is its gradient.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { poolAttrs, pooledShape, type PoolWindow } from './max_pool.js';

export const averagePoolOp = defineOp({
  name: 'averagePool',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] } },
  attrs: poolAttrs,
  infer: ({ x }, attrs) => ({ y: { dtype: 'float32', shape: pooledShape(x!, attrs) } }),
  backward: ({ node, grads }) => ({
    x: grads.y!.graph.add(averagePoolDxOp, { dy: grads.y! }, { ...node.attrs, shape: node.inputs.x!.shape }).outputs.dx!,
  }),
});

export const averagePoolDxOp = defineOp({
  name: 'averagePoolDx',
  inputs: { dy: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { dx: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { ...poolAttrs, shape: { type: 'dims' } },
  infer: (_inputs, attrs) => ({ dx: { dtype: 'float32', shape: attrs.shape as number[] } }),
  backward({ node, grads }) {
    const { shape: _shape, ...window } = node.attrs;
    return { dy: grads.dx!.graph.add(averagePoolOp, { x: grads.dx! }, window).outputs.y! };
  },
});

export function averagePool(x: Value, window: PoolWindow): Value {
  return x.graph.add(averagePoolOp, { x }, { ...window }).outputs.y!;
}
