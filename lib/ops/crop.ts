/**
 * crop: a window of each image, y[n, p, q] = x[n, top + p, left + q], NHWC, possibly mirrored. Where the window lies and
 * whether it is mirrored may be drawn for each image: a Philox function of (seed, stream, step, image), so the backward
 * pass draws it again instead of storing it. cropDx writes dy where the window lay and 0 elsewhere.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';

export type Flip = 'none' | 'horizontal' | 'vertical' | 'both';

/** The window of every image. */
export interface CropWindow {
  /** Size of the window. */
  height: number;
  width: number;
  /** First row and column, the smallest possible ones where they are drawn. */
  top: number;
  left: number;
  /** How many positions of the first row and column are possible, evenly likely: 1 where they are fixed. */
  rows: number;
  columns: number;
  /** Directions in which an image is mirrored with probability ½ each. */
  flip: Flip;
  /** Identifies the random stream: a hash of the layer's path and the role of the numbers. */
  stream: number;
}

const attrs = {
  height: { type: 'i32' },
  width: { type: 'i32' },
  top: { type: 'i32' },
  left: { type: 'i32' },
  rows: { type: 'i32', default: 1 },
  columns: { type: 'i32', default: 1 },
  flip: { type: 'enum', values: ['none', 'horizontal', 'vertical', 'both'], default: 'none' },
  stream: { type: 'u32', default: 0 },
} as const;

export const cropOp = defineOp({
  name: 'crop',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] }, state: { dtypes: ['int32'], optional: true } },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] } },
  attrs,
  infer({ x, state }, given) {
    const { height, width, top, left, rows, columns, flip } = given as unknown as CropWindow;
    if (x!.shape.length !== 4)
      throw new GradstepError('ERR_SHAPE', `Cannot crop ${formatShape(x!.shape)}: expected [N, H, W, C]`);
    const [n, h, w, c] = x!.shape as [number, number, number, number];
    if (top < 0 || left < 0 || top + rows - 1 + height > h || left + columns - 1 + width > w) {
      throw new GradstepError('ERR_SHAPE', `A window of ${height} × ${width} leaves images of ${h} × ${w}`);
    }
    if (!state && (rows !== 1 || columns !== 1 || flip !== 'none')) {
      throw new GradstepError('ERR_INTERNAL', 'crop needs the state to draw windows');
    }
    return { y: { dtype: 'float32', shape: [n, height, width, c] } };
  },
  backward: ({ node, grads }) => ({
    x: grads.y!.graph.add(
      cropDxOp,
      { dy: grads.y!, state: node.inputs.state },
      { ...node.attrs, shape: [...node.inputs.x!.shape] },
    ).outputs.dx!,
  }),
});

export const cropDxOp = defineOp({
  name: 'cropDx',
  inputs: { dy: { dtypes: ['float32', 'bfloat16'] }, state: { dtypes: ['int32'], optional: true } },
  outputs: { dx: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { ...attrs, shape: { type: 'dims' } },
  infer: (_inputs, given) => ({ dx: { dtype: 'float32', shape: given.shape as number[] } }),
  backward({ node, grads }) {
    const { shape: _shape, ...window } = node.attrs;
    return { dy: grads.dx!.graph.add(cropOp, { x: grads.dx!, state: node.inputs.state }, window).outputs.y! };
  },
});

/** A fixed window of each image. */
export function crop(x: Value, window: Pick<CropWindow, 'height' | 'width' | 'top' | 'left'>): Value {
  return x.graph.add(cropOp, { x }, { ...window }).outputs.y!;
}

/** A window of each image that is drawn in every step. */
export function randomCrop(x: Value, state: Value, window: CropWindow): Value {
  return x.graph.add(cropOp, { x, state }, { ...window }).outputs.y!;
}
