/** What the layers that give images a certain size share: options, and the largest centred window of an aspect ratio. */
import type { Value } from '../graph/graph.js';
import { crop } from '../ops/crop.js';
import { resize, type Interpolation } from '../ops/resize.js';
import { integer, type SchemaOf } from '../options.js';
import type { LayerOptions } from './define_layer.js';

export interface ImageSizeOptions extends LayerOptions {
  /** Of the result, in pixels. */
  height: number;
  /** Of the result, in pixels. */
  width: number;
}

export const imageSizeOptions = { height: integer(1), width: integer(1) } satisfies SchemaOf<
  Omit<ImageSizeOptions, keyof LayerOptions>
>;

/** The window of height × width in the middle; where a margin is odd, the smaller part is above or left. */
export function centre(x: Value, height: number, width: number): Value {
  const [, h, w] = x.shape as [number, number, number];
  if (h === height && w === width) return x;
  return crop(x, { height, width, top: Math.floor((h - height) / 2), left: Math.floor((w - width) / 2) });
}

/** The largest window of the wanted aspect ratio, in the middle, resized. */
export function resizeWithoutDistortion(x: Value, height: number, width: number, how: Interpolation): Value {
  const [, h, w] = x.shape as [number, number, number];
  const windowHeight = Math.max(1, Math.min(h, Math.floor((w * height) / width)));
  const windowWidth = Math.max(1, Math.min(w, Math.floor((h * width) / height)));
  return resize(centre(x, windowHeight, windowWidth), height, width, how);
}
