/**
 * affineSample: images [N, H, W, C] read through an affine map of their own. `transform` [N, 6] holds (a, b, c, d, e, f):
 * result pixel (row p, column q) reads the source at column a q + b p + c, row d q + e p + f, in pixels, as TensorFlow's
 * ImageProjectiveTransform does. Beyond the edge: `constant` reads the fill value, `nearest` the edge (aaa|abcd|ddd),
 * `reflect` mirrors with the edge repeated (cba|abcd|dcb), `wrap` repeats the image (bcd|abcd|abc).
 *
 * The gradient with respect to the image is the transpose. There is none with respect to the transform.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type BackwardContext } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import type { Interpolation } from './resize.js';

export const FILL_MODES = ['constant', 'nearest', 'reflect', 'wrap'] as const;
export type FillMode = (typeof FILL_MODES)[number];

/** How the result is read. */
export interface AffineSampling {
  /** Size of the result. */
  height: number;
  width: number;
  interpolation: Interpolation;
  fillMode: FillMode;
  /** What `constant` reads beyond the edge. */
  fillValue: number;
}

const reading = {
  interpolation: { type: 'enum', values: ['nearest', 'bilinear'] },
  fillMode: { type: 'enum', values: FILL_MODES },
} as const;

function refuseTransform(needs: BackwardContext['needs']): void {
  if (!needs('transform')) return;
  throw new GradstepError('ERR_NOT_DIFFERENTIABLE', 'affineSample has no gradient with respect to its transform');
}

export const affineSampleOp = defineOp({
  name: 'affineSample',
  inputs: { x: { dtypes: ['float32'] }, transform: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'] } },
  attrs: { height: { type: 'i32' }, width: { type: 'i32' }, ...reading, fillValue: { type: 'f32', default: 0 } },
  infer({ x, transform }, { height, width }) {
    const [n, , , c] = x!.shape as [number, number, number, number];
    if (x!.shape.length !== 4 || formatShape(transform!.shape) !== formatShape([n, 6])) {
      const given = `${formatShape(x!.shape)} and transforms ${formatShape(transform!.shape)}`;
      throw new GradstepError('ERR_SHAPE', `Expected images [N, H, W, C] and transforms [N, 6] but received ${given}`);
    }
    return { y: { dtype: 'float32', shape: [n, height as number, width as number, c] } };
  },
  backward({ node, grads, needs }) {
    refuseTransform(needs);
    const { interpolation, fillMode } = node.attrs;
    const attrs = { interpolation: interpolation!, fillMode: fillMode!, shape: [...node.inputs.x!.shape] };
    const inputs = { dy: grads.y!, transform: node.inputs.transform };
    return { x: grads.y!.graph.add(affineSampleDxOp, inputs, attrs).outputs.dx! };
  },
});

export const affineSampleDxOp = defineOp({
  name: 'affineSampleDx',
  inputs: { dy: { dtypes: ['float32'] }, transform: { dtypes: ['float32'] } },
  outputs: { dx: { dtypes: ['float32'] } },
  attrs: { ...reading, shape: { type: 'dims' } },
  infer: (_inputs, { shape }) => ({ dx: { dtype: 'float32', shape: shape as number[] } }),
  backward({ node, grads, needs }) {
    refuseTransform(needs);
    const [, height, width] = node.inputs.dy!.shape;
    const { interpolation, fillMode } = node.attrs;
    const attrs = { interpolation: interpolation!, fillMode: fillMode!, height: height!, width: width! };
    const inputs = { x: grads.dx!, transform: node.inputs.transform };
    return { dy: grads.dx!.graph.add(affineSampleOp, inputs, attrs).outputs.y! };
  },
});

export function affineSample(x: Value, transform: Value, sampling: AffineSampling): Value {
  return x.graph.add(affineSampleOp, { x, transform }, { ...sampling }).outputs.y!;
}
