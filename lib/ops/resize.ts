/**
 * resize: images [N, H, W, C] sampled at another size, with pixel centres at halves as TensorFlow 2 and PyTorch
 * (`align_corners=False`) have them: position i of n samples the source at (i + ½) · H / n − ½. `nearest` takes the source
 * pixel that this falls into, `bilinear` weighs the neighbours, and beyond the outer centres the edge continues.
 * resizeDx is the transpose: each source pixel gathers from the results that it had a share in.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';

export type Interpolation = 'nearest' | 'bilinear';

const interpolation = { type: 'enum', values: ['nearest', 'bilinear'] } as const;

export const resizeOp = defineOp({
  name: 'resize',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { height: { type: 'i32' }, width: { type: 'i32' }, interpolation },
  infer({ x }, { height, width }) {
    if (x!.shape.length !== 4)
      throw new GradstepError('ERR_SHAPE', `Cannot resize ${formatShape(x!.shape)}: expected [N, H, W, C]`);
    return { y: { dtype: 'float32', shape: [x!.shape[0]!, height as number, width as number, x!.shape[3]!] } };
  },
  backward: ({ node, grads }) => ({
    x: grads.y!.graph.add(
      resizeDxOp,
      { dy: grads.y! },
      { interpolation: node.attrs.interpolation!, shape: [...node.inputs.x!.shape] },
    ).outputs.dx!,
  }),
});

export const resizeDxOp = defineOp({
  name: 'resizeDx',
  inputs: { dy: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { dx: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { interpolation, shape: { type: 'dims' } },
  infer: (_inputs, { shape }) => ({ dx: { dtype: 'float32', shape: shape as number[] } }),
  backward({ node, grads }) {
    const [, height, width] = node.inputs.dy!.shape;
    const attrs = { height: height!, width: width!, interpolation: node.attrs.interpolation! };
    return { dy: grads.dx!.graph.add(resizeOp, { x: grads.dx! }, attrs).outputs.y! };
  },
});

/** Images of another size; the very value where the size is the same. */
export function resize(x: Value, height: number, width: number, how: Interpolation): Value {
  if (x.shape[1] === height && x.shape[2] === width) return x;
  return x.graph.add(resizeOp, { x }, { height, width, interpolation: how }).outputs.y!;
}
