/**
 * randomTransform: an affine map for each image as affineSample takes them, drawn in every step: turned about the centre,
 * zoomed from it, moved. Each amount is uniform in its range, a Philox function of (seed, stream, step, image).
 *   source = R(2π · turn) · diag(zoom) · (result − centre − shift) + centre
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

export const randomTransformOp = defineOp({
  name: 'randomTransform',
  inputs: { state: { dtypes: ['int32'] } },
  outputs: { transform: { dtypes: ['float32'] } },
  attrs: {
    images: { type: 'i32' },
    height: { type: 'i32' },
    width: { type: 'i32' },
    turnLow: { type: 'f32' },
    turnHigh: { type: 'f32' },
    downLow: { type: 'f32' },
    downHigh: { type: 'f32' },
    rightLow: { type: 'f32' },
    rightHigh: { type: 'f32' },
    zoomHeightLow: { type: 'f32' },
    zoomHeightHigh: { type: 'f32' },
    zoomWidthLow: { type: 'f32' },
    zoomWidthHigh: { type: 'f32' },
    zoom: { type: 'enum', values: ['apart', 'together'] },
    stream: { type: 'u32' },
  },
  infer: (_inputs, { images }) => ({ transform: { dtype: 'float32', shape: [images as number, 6] } }),
});

export type Range = readonly [low: number, high: number];

/** What is drawn; nothing happens in a direction that is left out. */
export interface TransformRanges {
  /** In turns, anticlockwise. */
  turn?: Range;
  /** In pixels. */
  down?: Range;
  right?: Range;
  /** Height and width of what is seen, as a share of the image's: above 1 it gets smaller. */
  zoomHeight?: Range;
  /** Left out: the same number as for the height. */
  zoomWidth?: Range;
}

/**
 * Transforms [images, 6] for images of height × width.
 * @param stream identifies the random stream: a hash of the layer's path and the role of the numbers.
 */
export function randomTransform(
  state: Value,
  [images, height, width]: readonly [number, number, number],
  { turn = [0, 0], down = [0, 0], right = [0, 0], zoomHeight = [1, 1], zoomWidth }: TransformRanges,
  stream: number,
): Value {
  const attrs = {
    images,
    height,
    width,
    turnLow: turn[0],
    turnHigh: turn[1],
    downLow: down[0],
    downHigh: down[1],
    rightLow: right[0],
    rightHigh: right[1],
    zoomHeightLow: zoomHeight[0],
    zoomHeightHigh: zoomHeight[1],
    zoomWidthLow: (zoomWidth ?? zoomHeight)[0],
    zoomWidthHigh: (zoomWidth ?? zoomHeight)[1],
    zoom: zoomWidth ? 'apart' : 'together',
    stream,
  };
  return state.graph.add(randomTransformOp, { state }, attrs).outputs.transform!;
}
